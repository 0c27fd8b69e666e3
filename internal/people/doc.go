// Package people owns who may come to the gate: accounts of people and machines with their roles, their passwords and certificates as verifiers that cannot be turned back, their
// sessions, and the slow-down of whoever guesses.
//
// It will not know a protocol, and it will not decide what a role may read.
package people
