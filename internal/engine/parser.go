package engine

import (
	"context"
	"fmt"

	"github.com/weirproject/weir/internal/fault"
)

// What is asked of DuckDB. What has its default value is left out of a tree, which halves it; empty lists stay, because reading a tree asks for them.
//
// A tree comes in as a column of text: a parameter that is itself cast to JSON would let DuckDB plan the statement anew each time, which takes longer than all the rest of it.
const (
	skipped        = ", skip_null := true, skip_default := true)::VARCHAR"
	serializeSQL   = "SELECT json_serialize_sql($1::VARCHAR" + skipped
	deserializeSQL = "SELECT json_deserialize_sql(x) AS t FROM (SELECT $1::VARCHAR AS x)"
	regenerateSQL  = "SELECT t, json_serialize_sql(t" + skipped + " FROM (" + deserializeSQL + ")"
)

// Parser is DuckDB's own parser as an engine serves it. The engine should be one without a file, so that what it parses meets nothing. It is safe for
// concurrent use, as far as the engine has readers.
type Parser struct{ engine *Engine }

// NewParser returns the parser of a running engine.
func NewParser(e *Engine) *Parser { return &Parser{engine: e} }

// Serialize returns the tree of the statements in sql, or the tree that says why there is none (DuckDB: json_serialize_sql).
func (p *Parser) Serialize(ctx context.Context, sql string) ([]byte, error) {
	out, err := p.ask(ctx, serializeSQL, 1, sql)
	if err != nil {
		return nil, fmt.Errorf("serialize statement: %w", err)
	}
	return []byte(out[0]), nil
}

// Deserialize returns the text of a tree (DuckDB: json_deserialize_sql).
func (p *Parser) Deserialize(ctx context.Context, tree []byte) (string, error) {
	out, err := p.ask(ctx, deserializeSQL, 1, string(tree))
	if err != nil {
		return "", fmt.Errorf("deserialize statement: %w", err)
	}
	return out[0], nil
}

// Regenerate is Deserialize and, in the same round, Serialize of the text that it gave.
func (p *Parser) Regenerate(ctx context.Context, tree []byte) (sql string, again []byte, err error) {
	out, err := p.ask(ctx, regenerateSQL, 2, string(tree))
	if err != nil {
		return "", nil, fmt.Errorf("regenerate statement: %w", err)
	}
	return out[0], []byte(out[1]), nil
}

// ask runs a statement that answers one row of n texts.
func (p *Parser) ask(ctx context.Context, sql string, n int, arg string) ([]string, error) {
	s, err := p.engine.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Release()
	out, err := s.Texts(ctx, sql, arg)
	if err != nil {
		return nil, err
	}
	if len(out) != n {
		return nil, fault.New(fault.Internal, "the engine's parser gave no answer", "report it with weir's version")
	}
	return out, nil
}
