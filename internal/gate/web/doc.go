// Package web owns the page and its JSON API: what a browser or a program of somebody's sees of the copy, over HTTPS.
//
// It will not decide who may see what: its Door does, and records it. It will not run anything in the browser: the pages are HTML and CSS.
package web
