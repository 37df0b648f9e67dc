// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import "encoding/json"

// stepText is a step as it is kept on disk: the operation as the line that it renders.
type stepText struct {
	Shell string `json:"shell"`
	Does  string `json:"does,omitempty"`
	Risk  string `json:"risk,omitempty"`
}

// MarshalJSON keeps a step as the line that Shell gives.
func (s Step) MarshalJSON() ([]byte, error) {
	return json.Marshal(stepText{Shell: s.Shell(), Does: s.Does, Risk: s.Risk})
}

// UnmarshalJSON reads a step back by ParseStep.
func (s *Step) UnmarshalJSON(text []byte) error {
	var kept stepText
	if err := json.Unmarshal(text, &kept); err != nil {
		return err
	}
	parsed, err := ParseStep(kept.Shell)
	if err != nil {
		return err
	}
	*s = parsed
	s.Does, s.Risk = kept.Does, kept.Risk
	return nil
}
