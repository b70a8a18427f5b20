package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"
)

// startLogging sends log lines of the configured level and above to stderr.
func startLogging(cmd *cobra.Command) error {
	var level slog.Level
	text := cmd.Flag("log-level").Value.String()
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return usagef("--log-level %q: must be debug, info, warn or error", text)
	}
	format := cmd.Flag("log-format").Value.String()
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler
	switch format {
	case "text":
		handler = slog.NewTextHandler(os.Stderr, options)
	case "json":
		handler = slog.NewJSONHandler(os.Stderr, options)
	default:
		return usagef("--log-format %q: must be text or json", format)
	}
	slog.SetDefault(slog.New(handler))
	return nil
}

func addLogFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.String("log-level", "warn", "least level of log lines on stderr: debug, info, warn or error")
	f.String("log-format", "text", "how log lines are written: text or json")
}
