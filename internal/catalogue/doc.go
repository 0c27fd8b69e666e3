// Package catalogue owns what clients of PostgreSQL ask about the database itself: pg_catalog and information_schema, emulated over what one role may see.
//
// A statement is parsed here, and only a SELECT that names nothing but relations of the catalogue is recognised. What runs is written anew from the tree, with functions of a list alone and
// parameters as literals, in an engine without any file or data, where each role's catalogue has a schema of its own: objects that the role may not know of are not in it. Relations that would
// be empty have no table at all. Object ids are hashes of names, so that they stay the same for a client that connects again.
//
// It will not touch the store, will not decide on statements that read data, and never tells what the engine says of an error.
package catalogue
