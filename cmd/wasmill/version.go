package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/sdk/abi"
)

// build is what this binary was made of.
type build struct {
	Version  string `json:"version"`  // of the module, or devel
	Revision string `json:"revision"` // of the sources; + if they were changed
	Go       string `json:"go"`
	Platform string `json:"platform"`
	ABI      int    `json:"abi"` // of guests it runs
}

func thisBuild() build {
	b := build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, ABI: abi.Version}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value + b.Revision
		case s.Key == "vcs.modified" && s.Value == "true":
			b.Revision += "+"
		}
	}
	return b
}

func versionCommand() *cobra.Command {
	var output outputFlag
	c := &cobra.Command{
		Use:   "version",
		Short: "Say what this binary is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := thisBuild()
			return output.print(cmd.OutOrStdout(), b, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "wasmill %s %s (%s, %s, guest interface %d)\n", b.Version, b.Revision, b.Go, b.Platform, b.ABI)
				return err
			})
		},
	}
	output.add(c)
	return c
}
