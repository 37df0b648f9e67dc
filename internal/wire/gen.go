// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package wire

//go:generate go tool -modfile=../../tools/go.mod bpf2go -go-package wire -target bpfel -cc clang-19 -strip llvm-strip-19 -no-global-types -output-stem wire -type tb_header -type tb_owner -type tb_packet -type tb_lookup -type tb_drop -type tb_drop_key -type tb_drop_row -type tb_failure -type tb_port_key -type tb_failure_row -type tb_pressure_row -type tb_dns -type tb_dial -type tb_dial_key -type tb_dial_row -type tb_walk_key -type tb_walk_row -type tb_walk -type tb_connection -type tb_retransmit -type tb_too_big -type tb_refusal -type tb_kind -type tb_stage -type tb_seen -type tb_op -type tb_conntrack -type tb_way -type tb_place -type tb_placed -type tb_place_kind c ../../bpf/wire.bpf.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror
