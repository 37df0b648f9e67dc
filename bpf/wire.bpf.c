// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * wire: no program, only the types of event.h, so that one Go mirror of them can be
 * generated and compared.
 */
#include "kernel.h"
#include "event.h"

#define TB_ANCHOR(type) struct type anchor_##type __attribute__((used))

TB_ANCHOR(tb_header);
TB_ANCHOR(tb_owner);
TB_ANCHOR(tb_packet);
TB_ANCHOR(tb_lookup);
TB_ANCHOR(tb_drop);
TB_ANCHOR(tb_drop_key);
TB_ANCHOR(tb_drop_row);
TB_ANCHOR(tb_failure);
TB_ANCHOR(tb_port_key);
TB_ANCHOR(tb_failure_row);
TB_ANCHOR(tb_pressure_row);
TB_ANCHOR(tb_dns);
TB_ANCHOR(tb_dial);
TB_ANCHOR(tb_dial_key);
TB_ANCHOR(tb_dial_row);
TB_ANCHOR(tb_walk_key);
TB_ANCHOR(tb_walk_row);
TB_ANCHOR(tb_walk);
TB_ANCHOR(tb_connection);
TB_ANCHOR(tb_retransmit);
TB_ANCHOR(tb_too_big);
TB_ANCHOR(tb_refusal);
TB_ANCHOR(tb_place);

enum tb_kind anchor_kind __attribute__((used));
enum tb_stage anchor_stage __attribute__((used));
enum tb_seen anchor_seen __attribute__((used));
enum tb_op anchor_op __attribute__((used));
enum tb_conntrack anchor_conntrack __attribute__((used));
enum tb_way anchor_way __attribute__((used));
enum tb_placed anchor_placed __attribute__((used));
enum tb_place_kind anchor_place_kind __attribute__((used));

char LICENSE[] SEC("license") = "Dual BSD/GPL";
