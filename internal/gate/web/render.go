package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// pages are the parsed templates and the static files.
type pages struct {
	templates map[string]*template.Template
	static    map[string]staticFile // by path, which holds a hash of the content
	address   map[string]string     // of a static file by its name
}

type staticFile struct {
	kind string
	data []byte
}

// view is what every page is made from. A handler sets the first fields, render the others.
type view struct {
	Title   string
	Section string // of the navigation
	Data    any

	Person          *Person // nil: nobody is signed in
	Source, Version string
	Style, Icon     string // addresses
}

// parsePages parses what is embedded. It fails only when a template is wrong, which a test finds.
func parsePages() (*pages, error) {
	p := &pages{templates: map[string]*template.Template{}, static: map[string]staticFile{}, address: map[string]string{}}
	base, err := template.New("layout.html").Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		page := strings.TrimSuffix(path.Base(name), ".html")
		if page == "layout" || page == "parts" {
			continue
		}
		t, err := base.Clone()
		if err != nil {
			return nil, err
		}
		if p.templates[page], err = t.ParseFS(templateFiles, name); err != nil {
			return nil, err
		}
	}
	return p, p.hash()
}

// hash gives each static file an address that changes with its content, so that a browser may keep it for good.
func (p *pages) hash() error {
	files, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return err
	}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
	for _, f := range files {
		data, err := staticFiles.ReadFile("static/" + f.Name())
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		ext := path.Ext(f.Name())
		address := "/static/" + strings.TrimSuffix(f.Name(), ext) + "." + hex.EncodeToString(sum[:8]) + ext
		p.static[address] = staticFile{kind: kinds[ext], data: data}
		p.address[f.Name()] = address
	}
	return nil
}

func serveStatic(c *call) error {
	f := c.s.pages.static[c.r.URL.Path]
	c.w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	c.send(http.StatusOK, f.kind, f.data)
	return nil
}

// render answers with a page.
func (c *call) render(status int, page string, v *view) {
	v.Source, v.Version = c.s.o.Source, c.s.o.Version
	v.Style, v.Icon = c.s.pages.address["weir.css"], c.s.pages.address["icon.svg"]
	if c.visitor != nil {
		v.Person = &c.person
	}
	var b bytes.Buffer
	if err := c.s.pages.templates[page].Execute(&b, v); err != nil {
		// The text of the error may quote what was to be shown.
		c.s.o.Log.ErrorContext(c.ctx(), "a page was not written", "page", page)
		c.send(http.StatusInternalServerError, "text/plain; charset=utf-8", []byte("something inside weir went wrong\n"))
		return
	}
	c.send(status, "text/html; charset=utf-8", b.Bytes())
}

// send answers with bytes.
func (c *call) send(status int, kind string, data []byte) {
	c.w.Header().Set("Content-Type", kind)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(data) // who went away needs no answer
}
