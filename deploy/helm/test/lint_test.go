// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"testing"

	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

func TestHelmLintFindsNothing(t *testing.T) {
	result := lint.AllWithKubeVersion(chartFolder, nil, "monitoring", nil)
	for _, m := range result.Messages {
		if m.Severity > support.InfoSev {
			t.Errorf("%s", m)
		}
	}
}
