package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Every client is asked to send what its users send, in its own default form and in the others that it has. Each says what goes wrong, and "done".
func TestParametersOfRealClientsAreTaken(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	const python, driver = "/usr/bin/python3", "/usr/share/java/postgresql.jar"
	modules := filepath.Join(cache, "weir-tests", "node_modules")
	for _, needed := range []string{"node", filepath.Join(modules, "pg"), "java", driver, python} {
		if _, err := exec.LookPath(needed); err != nil {
			if _, err := os.Stat(needed); err != nil {
				t.Skipf("%s is not here: run make clients", needed)
			}
		}
	}
	if err := exec.CommandContext(t.Context(), python, "-c", "import psycopg, psycopg2, sqlalchemy").Run(); err != nil {
		t.Skip("psycopg or SQLAlchemy is not here: run make clients")
	}
	g := newGated(t)
	ada := g.add("ada", "--role", "analyst").SQL
	c, err := g.connect(ada, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	var device string
	if err := c.QueryRow(t.Context(), "SELECT min(device_id)::text FROM fleet.device").Scan(&device); err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("%s:%s@%s:%d/%s?sslmode=verify-full&sslrootcert=%s", ada.User, ada.Password, ada.Host, ada.Port, ada.Database, ada.CA)
	jdbc := fmt.Sprintf("jdbc:postgresql://%s:%d/%s?user=%s&password=%s&sslmode=verify-full&sslrootcert=%s", ada.Host, ada.Port, ada.Database, ada.User, ada.Password, ada.CA)
	t.Setenv("NODE_PATH", modules)
	for name, command := range map[string][]string{
		"psycopg":       {python, filepath.Join("testdata", "parameters.py"), dsn(ada, ""), device},
		"SQLAlchemy":    {python, filepath.Join("testdata", "sqlalchemy_parameters.py"), "postgresql+psycopg2://" + url, device},
		"node-postgres": {"node", filepath.Join("testdata", "parameters.js"), "postgres://" + url, device, ada.CA},
		"JDBC":          {"java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC", "-cp", driver, filepath.Join("testdata", "Parameters.java"), jdbc, device},
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil || string(out) != "done\n" {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
}
