// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import _ "embed" // for the schema

//go:embed schema/record.schema.json
var schema string

// Schema is the JSON schema (draft 2020-12) that every line of AppendJSON obeys.
func Schema() string { return schema }
