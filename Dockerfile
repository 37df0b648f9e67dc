# SPDX-FileCopyrightText: The trapbpf authors
# SPDX-License-Identifier: Apache-2.0
#
# An image with one static binary and the licences in it. The BPF objects are
# committed, so Go is all that the build needs. To run it:
#
#   docker run --rm -it --privileged --pid=host --network=host \
#     -v /run/netns:/run/netns:rslave -v /sys/kernel/tracing:/sys/kernel/tracing trapbpf
#
# --pid=host finds processes and their namespaces; SECURITY.md says what else and why.

FROM golang:1.26.8-bookworm AS toolchain
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-buildvcs=false
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download

FROM toolchain AS build
ARG VERSION=dev
COPY . .
RUN make build VERSION=$VERSION

FROM scratch
ARG VERSION=dev
LABEL org.opencontainers.image.title="trapbpf" \
      org.opencontainers.image.description="Finds network traps that hide between a host's settings and its traffic" \
      org.opencontainers.image.source="https://github.com/trapbpf/trapbpf" \
      org.opencontainers.image.documentation="https://github.com/trapbpf/trapbpf/blob/main/README.md" \
      org.opencontainers.image.licenses="Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /src/LICENSES /licenses
COPY --from=build /src/bin/trapbpf /trapbpf
ENTRYPOINT ["/trapbpf"]
CMD ["watch"]
