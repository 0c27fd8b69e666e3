// Package duckdb owns the store inside weir: one DuckDB file for each access, each in a folder and an engine of its own, and each with its own mark,
// committed together with its rows.
//
// It will not run DuckDB in weir's process (engine does that), and it will not decide who may ask.
//
// A file holds the copy's tables in schemas named as in production, without keys or indexes (deleting and inserting one key in a transaction conflicts in
// DuckDB's index; rows are found by a join on the row key), and the schema _weir with what weir knows about the file:
//
//	_weir.meta      one row: format, identity of the source, mark, whether the file must be written anew
//	_weir.tables    for each table: hash, shape, whether its snapshot is complete, since when
//	_weir.facts     for each fact: hash, mark, whether it must be derived from all rows
//	_weir."δ…"      for each table that facts read: its changed rows, as they were (-1) and as they are (+1), since the facts' marks
package duckdb
