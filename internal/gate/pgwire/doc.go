// Package pgwire owns the PostgreSQL protocol in front of the gate: TLS, sign-in, the simple and the extended protocol, portals, COPY out, cancelling, and the form of values and errors on
// the wire.
//
// It will not decide anything: who may come in, what may be asked and what the answer is, it is told.
package pgwire
