package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/graph"
)

const configFile = "wasmill.yaml"

// configure sets the flags that the command line does not name from the environment
// and from wasmill.yaml. They don't count as changed.
func configure(cmd *cobra.Command) error {
	v := viper.New()
	v.SetEnvPrefix("WASMILL")
	v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	v.SetConfigFile(configFile)
	if err := v.ReadInConfig(); err != nil && !errors.Is(err, os.ErrNotExist) {
		return invalid(fmt.Errorf("%s: %w", configFile, err))
	}
	known := map[string]bool{}
	flagNames(cmd.Root(), known)
	for _, key := range v.AllKeys() {
		if !known[key] {
			return invalid(fmt.Errorf("%s: unknown setting %q (%s)", configFile, key, graph.Suggest(key, slices.Sorted(maps.Keys(known)))))
		}
	}
	var problems []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if err := fromConfig(v, f); err != nil {
			problems = append(problems, err)
		}
	})
	return errors.Join(problems...)
}

// fromConfig sets one flag, if it is configured and not on the command line.
func fromConfig(v *viper.Viper, f *pflag.Flag) error {
	if f.Changed || !configurable(f) {
		return nil
	}
	env := "WASMILL_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
	if err := v.BindEnv(f.Name, env); err != nil {
		return fmt.Errorf("bind %s: %w", env, err)
	}
	if !v.IsSet(f.Name) {
		return nil
	}
	place := configFile
	if os.Getenv(env) != "" {
		place = "environment"
	}
	if err := f.Value.Set(v.GetString(f.Name)); err != nil {
		return invalid(fmt.Errorf("%s: %s: %w", place, f.Name, err))
	}
	return nil
}

// configurable leaves out what makes sense on a command line only.
func configurable(f *pflag.Flag) bool {
	_, isList := f.Value.(pflag.SliceValue)
	return !isList && f.Name != "help"
}

func flagNames(c *cobra.Command, into map[string]bool) {
	add := func(f *pflag.Flag) {
		if configurable(f) {
			into[f.Name] = true
		}
	}
	c.LocalFlags().VisitAll(add)
	for _, child := range c.Commands() {
		flagNames(child, into)
	}
}

// defaultCacheDir is "" where there is no home: nothing is kept then.
func defaultCacheDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(base, "wasmill")
}

// defaultDataDir is a folder on a disk: what does not fit into memory goes there.
func defaultDataDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	return filepath.Join(base, "wasmill", "data")
}

// hostConfig is how this process runs modules.
func hostConfig(cmd *cobra.Command) host.Config {
	dir := cmd.Flag("cache-dir").Value.String()
	return host.Config{CacheDir: dir}
}
