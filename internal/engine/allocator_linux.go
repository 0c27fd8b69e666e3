package engine

/*
#include <stddef.h>

// DuckDB's allocator, by its own names. Here is how it is set: what it frees goes back to the system, so that the process's bound is of what is used.
const char *duckdb_je_malloc_conf_2_conf_harder = "retain:false,dirty_decay_ms:1000,muzzy_decay_ms:0";

extern int duckdb_je_mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen);

// 4096 stands for all arenas.
static void purge(void) { duckdb_je_mallctl("arena.4096.purge", NULL, NULL, NULL, 0); }
*/
import "C"

// purge gives back to the system what the database has freed.
func purge() { C.purge() }
