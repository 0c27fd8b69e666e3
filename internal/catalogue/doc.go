// Package catalogue owns what clients of PostgreSQL ask about the database itself: pg_catalog and information_schema, emulated over what one role may see.
//
// It will not touch the store: it answers from an engine without any data, in which nothing exists that the role may not know of.
package catalogue
