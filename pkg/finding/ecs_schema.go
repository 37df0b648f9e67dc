// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import _ "embed" // for the schema

//go:embed schema/record.schema.json
var schema string

//go:embed schema/agent.schema.json
var agentSchema string

// AgentSchema is the JSON schema of the lines that tell of the agent's own state.
func AgentSchema() string { return agentSchema }

// Schema is the JSON schema (draft 2020-12) that every line about a finding obeys.
func Schema() string { return schema }
