package engine

import (
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// database is DuckDB, in the child alone.
type database struct {
	db   mapping.Database
	conn mapping.Connection // for settings and copying

	changes atomic.Uint64 // counts what may have been written
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// openDatabase opens the file, which replays its write-ahead log, and locks the settings. The sandbox comes after it.
func openDatabase(s settings) (*database, failure) {
	var config mapping.Config
	if mapping.CreateConfig(&config) == mapping.StateError {
		return nil, failSettings
	}
	defer mapping.DestroyConfig(&config)
	for _, o := range openOptions(s) {
		if mapping.SetConfig(config, o[0], o[1]) == mapping.StateError {
			return nil, failSettings
		}
	}
	d := &database{}
	path := s.Path
	if path == "" || s.From != "" {
		path = ":memory:"
	}
	var text string // DuckDB's; it is not told to anybody
	if mapping.OpenExt(path, &d.db, config, &text) == mapping.StateError {
		return nil, failOpen
	}
	if mapping.Connect(d.db, &d.conn) == mapping.StateError {
		return nil, failOpen
	}
	c := connection{conn: d.conn}
	if s.From != "" {
		for _, sql := range []string{
			"ATTACH " + quote(s.From) + " AS weir_from (READ_ONLY)", "ATTACH " + quote(s.Path) + " AS weir_to",
		} {
			if _, class := c.exec(sql); class != 0 {
				return nil, failOpen
			}
		}
	}
	for _, sql := range lockDown() {
		if _, class := c.exec(sql); class != 0 {
			return nil, failSettings
		}
	}
	return d, 0
}

func openOptions(s settings) [][2]string {
	spill := "0B"
	if s.Spill != "" {
		spill = strconv.FormatInt(s.SpillMax, 10) + "B"
	}
	return [][2]string{
		{"memory_limit", strconv.FormatInt(s.Memory, 10) + "B"},
		{"threads", strconv.Itoa(s.Threads)},
		{"temp_directory", s.Spill},
		{"max_temp_directory_size", spill},
		{"storage_compatibility_version", "latest"},
		// Types go out as they are (a UUID as 16 bytes), so that what is read back is what was put in.
		{"arrow_lossless_conversion", "true"},
		// An answer without ORDER BY has no order, and big derivations must not be held in memory for the sake of one.
		{"preserve_insertion_order", "false"},
		{"allow_persistent_secrets", "false"},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_community_extensions", "false"},
		{"allow_unsigned_extensions", "false"},
	}
}

// lockDown is the engine's own protection, which does not suffice (tests show what it lets through) and is set all the same.
func lockDown() []string {
	return []string{
		"SET TimeZone = 'UTC'",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	}
}

func (d *database) connect() (*connection, bool) {
	c := &connection{plans: plans{changes: &d.changes}}
	if mapping.Connect(d.db, &c.conn) == mapping.StateError {
		return nil, false
	}
	return c, true
}

// close writes the log into the file and closes it.
func (d *database) close() {
	mapping.Disconnect(&d.conn)
	mapping.Close(&d.db)
}

// copyFrom copies everything between the two attached files.
func (d *database) copyFrom() failure {
	c := connection{conn: d.conn}
	for _, sql := range []string{"COPY FROM DATABASE weir_from TO weir_to", "CHECKPOINT weir_to"} {
		switch _, class := c.exec(sql); class {
		case 0:
		case ClassMemory:
			return failMemory
		default:
			return failCopy
		}
	}
	return 0
}
