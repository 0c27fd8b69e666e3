package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Find is what the command line says about the configuration.
type Find struct {
	Config      string // path of the file
	ConfigGiven bool   // or only its default
	State       string // overrides the file's
	Source      string // overrides the file's
}

// FindConfig loads the configuration that the command line means: the file it names; else the one that the state folder was last run with; else weir.yaml here. With a state or a
// source on the command line and no file anywhere, the defaults do.
func FindConfig(f Find) (*Config, error) {
	path := f.Config
	if !f.ConfigGiven && f.State != "" {
		if remembered := PeekConfig(f.State); remembered != "" {
			path = remembered
		}
	}
	c, err := LoadConfig(path)
	if err != nil {
		_, statErr := os.Stat(path)
		if f.ConfigGiven || !errors.Is(statErr, fs.ErrNotExist) || f.State == "" && f.Source == "" {
			return nil, err
		}
		if c, err = (&Config{}).settle(); err != nil {
			return nil, err
		}
	}
	if f.State != "" {
		c.State = filepath.Clean(f.State)
	}
	if f.Source != "" {
		c.Source.URL, c.Source.URLFile = f.Source, ""
	}
	return c, nil
}
