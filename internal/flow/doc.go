// Package flow owns the loop that moves source → treatment → store: the snapshot, then the changes in commit order, with back-pressure, retry, progress, the
// renewed copy of a single table, and the verification that the store equals the source under the policy.
//
// Its promise in one line: Apply before Ack. It will not know a driver, an engine or who may ask, and nothing that it prints or records is a production value.
package flow
