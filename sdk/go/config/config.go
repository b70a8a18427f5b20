// Package config decodes the settings of an operator into a Go value. It is apart
// from package wasmill because encoding/json adds a megabyte to a module.
package config

import (
	"bytes"
	"encoding/json"
	"fmt"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

// Decode reads the config that the job file gives the operator into what v points to,
// which holds the defaults. Fields that v does not have are errors.
func Decode(c *wasmill.Context, v any) error {
	d := json.NewDecoder(bytes.NewReader(c.Config))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("read config: %w", err)
	}
	return nil
}
