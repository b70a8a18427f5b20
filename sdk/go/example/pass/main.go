// Command pass is the smallest operator: what comes in goes out.
package main

import wasmill "github.com/wasmill/wasmill/sdk/go"

func init() {
	wasmill.Process(func(c *wasmill.Context, r *wasmill.Record) error {
		c.Emit(r)
		return nil
	})
}

func main() {}
