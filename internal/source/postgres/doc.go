// Package postgres owns reading PostgreSQL: its catalogue, a consistent snapshot by COPY, its changes by logical replication, what must exist in production
// for that (one publication with column lists, one slot) and what that can do to production.
//
// It will not ask for a column outside the selection, run DDL by itself, or let the driver's text out.
package postgres
