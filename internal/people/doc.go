// Package people owns who may come to the gate: accounts of people and machines with their roles, their passwords and certificates as verifiers that cannot be turned back, their
// sessions, and the slow-down of whoever guesses. It also owns the server's TLS: there is no way in without.
//
// Nothing changes that could not be recorded first, and nobody is told a verdict that was not recorded. An unknown name, a wrong password and a disabled account look and take alike.
//
// It will not know a protocol, and it will not decide what a role may read or whether a widening was approved.
package people
