// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package hook

//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package hook -target amd64,arm64 -cc clang-19 -strip llvm-strip-19 -no-global-types drop ../../bpf/drop.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package hook -target amd64,arm64 -cc clang-19 -strip llvm-strip-19 -no-global-types fib ../../bpf/fib.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package hook -target amd64,arm64 -cc clang-19 -strip llvm-strip-19 -no-global-types tcp ../../bpf/tcp.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package hook -target amd64,arm64 -cc clang-19 -strip llvm-strip-19 -no-global-types bind ../../bpf/bind.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package hook -target amd64,arm64 -cc clang-19 -strip llvm-strip-19 -no-global-types timewait ../../bpf/timewait.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package hook -target amd64,arm64 -cc clang-19 -strip llvm-strip-19 -no-global-types dns ../../bpf/dns.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package hook -target amd64,arm64 -cc clang-19 -strip llvm-strip-19 -no-global-types dial ../../bpf/dial.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package hook -target amd64,arm64 -cc clang-19 -strip llvm-strip-19 -no-global-types retrans ../../bpf/retrans.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package hook -target amd64,arm64 -cc clang-19 -strip llvm-strip-19 -no-global-types sweep ../../bpf/sweep.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package hook -target amd64,arm64 -cc clang-19 -strip llvm-strip-19 -no-global-types icmp ../../bpf/icmp.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package hook -target amd64,arm64 -cc clang-19 -strip llvm-strip-19 -no-global-types icmpsent ../../bpf/icmpsent.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package hook -target amd64,arm64 -cc clang-19 -strip llvm-strip-19 -no-global-types refusal ../../bpf/refusal.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
