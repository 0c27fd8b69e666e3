package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Truth is what is true about a generated fleet: what was planted where, and what a right number is.
type Truth struct {
	Seed     uint64           `json:"seed"`
	Accounts int              `json:"accounts"`
	Devices  int              `json:"devices"`
	Days     int              `json:"days"`
	Profile  Profile          `json:"profile"`
	From     time.Time        `json:"from"`
	Until    time.Time        `json:"until"`
	Rows     map[string]int64 `json:"rows"` // by table
	Canaries []Canary         `json:"canaries"`

	BadFirmware   *BadFirmware   `json:"s1_bad_firmware,omitempty"`
	Christmas     *Christmas     `json:"s4_christmas,omitempty"` // only when the span has a 25 December
	SkewedClocks  SkewedClocks   `json:"s5_skewed_clocks"`
	LateRows      Injected       `json:"s6_late_rows"`
	Duplicates    Injected       `json:"s7_duplicates"`
	Internal      Internal       `json:"s8_internal"`
	Resales       int            `json:"s9_resales"`
	Deletions     Deletions      `json:"s12_deletions"`
	Attempts      Outcomes       `json:"attempts"`                  // logical ones, of customers alone
	AttemptsNaive Outcomes       `json:"attempts_with_internal"`    // with internal accounts and synthetic devices
	Activations   map[string]int `json:"activations_utc"`           // per UTC day, customers' hardware seen for the first time
	ActivationsLD map[string]int `json:"activations_local"`         // the same by the first owner's local day
	ActivationsIn map[string]int `json:"activations_with_internal"` // per UTC day, with internal accounts
	PerAccount    map[int]int    `json:"devices_per_account"`       // at the end: how many customers own so many devices
}

// BadFirmware is scenario S1.
type BadFirmware struct {
	Model        string    `json:"model"`
	ModelID      int       `json:"model_id"`
	Version      string    `json:"version"`
	FirmwareID   int       `json:"firmware_id"`
	ReleasedAt   time.Time `json:"released_at"`
	HaltedAt     time.Time `json:"halted_at"`
	Devices      int       `json:"devices"`       // that got it
	ModelDevices int       `json:"model_devices"` // of the model, customers' alone
	FailedRate   float64   `json:"injected_failed_rate"`
	BaseRate     float64   `json:"base_failed_rate"`
	RebootFactor float64   `json:"reboot_factor"`
	Attempts     Outcomes  `json:"attempts"` // on it, of customers alone
}

// Christmas is scenario S4: factors on the 25th of December against an ordinary day. That of the activations is what came of it, the
// others are injected.
type Christmas struct {
	Day         string  `json:"day"`
	Activations float64 `json:"activations_factor"`
	Signups     float64 `json:"signups_factor"`
	Sessions    float64 `json:"sessions_factor"`
	Failures    float64 `json:"setup_failures_factor"`
}

// SkewedClocks is scenario S5.
type SkewedClocks struct {
	Share   float64          `json:"injected_share"`
	Devices []int            `json:"devices"` // device ids
	Rows    map[string]int64 `json:"rows"`    // by table
}

// Injected is a share and how many rows of each table it came to.
type Injected struct {
	Share float64          `json:"injected_share"`
	Rows  map[string]int64 `json:"rows"`
}

// Internal is scenario S8.
type Internal struct {
	Accounts   []int   `json:"accounts"` // user ids
	Devices    int     `json:"devices"`
	Synthetic  int     `json:"synthetic_devices"`
	FailedRate float64 `json:"injected_failed_rate"`
}

// Deletions is scenario S12.
type Deletions struct {
	SharePerDay float64 `json:"injected_share_per_day"`
	Accounts    []int   `json:"accounts"` // user ids
}

// Outcomes counts logical attempts. The failed rate is Failed over Attempts less Cancelled and Unknown.
type Outcomes struct {
	Attempts  int `json:"attempts"`
	Failed    int `json:"failed"`
	Offline   int `json:"failed_offline"` // of the failed: DEVICE_OFFLINE at the last try
	Cancelled int `json:"cancelled"`
	Unknown   int `json:"unknown"`
}

// FailedRate is the metric of that name; 0 when nothing was attempted.
func (o Outcomes) FailedRate() float64 {
	eligible := o.Attempts - o.Cancelled - o.Unknown
	if eligible == 0 {
		return 0
	}
	return float64(o.Failed) / float64(eligible)
}

type outcome uint8

const (
	outcomeOK outcome = iota
	outcomeFailed
	outcomeCancelled
	outcomeUnknown
)

// tally counts what a table's rows came to while they were made.
type tally struct {
	rows                     int64
	late, duplicates, skewed int64
	resales                  int
	all, customers, bad      Outcomes
}

func (t *tally) attempt(o outcome, bad, internal bool) {
	t.all.count(o)
	if !internal {
		t.customers.count(o)
		if bad {
			t.bad.count(o)
		}
	}
}

func (t *tally) attemptOffline(bad, internal bool) {
	t.all.Offline++
	if !internal {
		t.customers.Offline++
		if bad {
			t.bad.Offline++
		}
	}
}

func (o *Outcomes) count(kind outcome) {
	o.Attempts++
	switch kind {
	case outcomeFailed:
		o.Failed++
	case outcomeCancelled:
		o.Cancelled++
	case outcomeUnknown:
		o.Unknown++
	case outcomeOK:
	}
}

// truth puts together what the generator knows.
func (c *company) truth(o Options, tallies map[string]*tally) Truth {
	t := Truth{
		Seed: o.Seed, Accounts: o.Accounts, Devices: len(c.devices), Days: o.Days, Profile: o.Profile,
		From: c.from.time(), Until: c.until.time(), Rows: map[string]int64{},
		SkewedClocks: SkewedClocks{Share: shareSkewed, Rows: map[string]int64{}},
		LateRows:     Injected{Share: shareLate + shareVeryLate, Rows: map[string]int64{}},
		Duplicates:   Injected{Share: shareDuplicate, Rows: map[string]int64{}},
		Internal:     Internal{FailedRate: internalFailedRate},
		Deletions:    Deletions{SharePerDay: deletionsPerDay},
		Activations:  map[string]int{}, ActivationsLD: map[string]int{}, ActivationsIn: map[string]int{}, PerAccount: map[int]int{},
	}
	if o.Accounts == 0 {
		return t
	}
	t.Canaries = c.canaries.list
	for name, tl := range tallies {
		t.Rows[name] = tl.rows
		for counts, n := range map[*map[string]int64]int64{&t.SkewedClocks.Rows: tl.skewed, &t.LateRows.Rows: tl.late, &t.Duplicates.Rows: tl.duplicates} {
			if n > 0 {
				(*counts)[name] = n
			}
		}
	}
	t.Resales = tallies["device_binding"].resales
	tl := tallies["connection_attempt"]
	t.Attempts, t.AttemptsNaive = tl.customers, tl.all
	c.truthOfScenarios(&t, tl.bad)
	c.truthOfAccounts(&t)
	c.truthOfDevices(&t)
	return t
}

func (c *company) truthOfScenarios(t *Truth, bad Outcomes) {
	id := release(badModel, oldReleases+1)
	f := c.firmwares[id-1]
	t.BadFirmware = &BadFirmware{
		Model: models[badModel].name, ModelID: badModel + 1, Version: f.version, FirmwareID: id, ReleasedAt: f.released.time(), HaltedAt: c.haltedAt().time(),
		FailedRate: badFailedRate, BaseRate: failedRate, RebootFactor: rebootFactor, Attempts: bad,
	}
	if c.christmas >= 0 {
		t.Christmas = &Christmas{
			Day: c.dayStart(c.christmas).time().Format(time.DateOnly), Signups: christmasSignups,
			Sessions: christmasSessions, Failures: christmasFailures,
		}
	}
}

func (c *company) truthOfAccounts(t *Truth) {
	for i := range c.accounts {
		a := &c.accounts[i]
		if a.internal {
			t.Internal.Accounts = append(t.Internal.Accounts, i+1)
		}
		if a.deleted != never {
			t.Deletions.Accounts = append(t.Deletions.Accounts, i+1)
		}
	}
}

func (c *company) truthOfDevices(t *Truth) {
	zones := make([]*time.Location, len(regions))
	for i, r := range regions {
		zone, err := time.LoadLocation(r.zone)
		if err != nil {
			zone = time.UTC // newCompany has loaded them all before
		}
		zones[i] = zone
	}
	owned := make([]int, len(c.accounts))
	for i := range c.devices {
		v := &c.devices[i]
		if v.skew != skewNone {
			t.SkewedClocks.Devices = append(t.SkewedClocks.Devices, i+1)
		}
		internal := v.first >= 0 && c.accounts[v.first].internal
		if internal {
			t.Internal.Devices++
		}
		if v.synthetic {
			t.Internal.Synthetic++
		}
		if v.owner >= 0 && !internal {
			owned[v.owner]++
		}
		if v.model == badModel && !internal {
			t.BadFirmware.ModelDevices++
			if v.updated != never {
				t.BadFirmware.Devices++
			}
		}
		if v.activated == never || v.bound == never || v.bound < c.from {
			continue
		}
		date := v.bound.time().Format(time.DateOnly)
		t.ActivationsIn[date]++
		if !internal && !v.synthetic {
			t.Activations[date]++
			t.ActivationsLD[localDay(v.bound, zones[c.accounts[v.first].region])]++
		}
	}
	if t.Christmas != nil {
		t.Christmas.Activations = factorOf(t.Activations, t.Christmas.Day)
	}
	for i, n := range owned {
		if a := &c.accounts[i]; !a.internal && a.deleted == never {
			t.PerAccount[n]++
		}
	}
}

// factorOf compares one day with the mean of the others.
func factorOf(perDay map[string]int, date string) float64 {
	others := 0
	for d, n := range perDay {
		if d != date {
			others += n
		}
	}
	if others == 0 {
		return 0
	}
	return float64(perDay[date]) * float64(len(perDay)-1) / float64(others)
}

// WriteTruth writes t as JSON, readable by its owner alone: the canaries are what a thief would look for.
func WriteTruth(path string, t Truth) error {
	b, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return fmt.Errorf("encode truth: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write truth: %w", err)
	}
	return nil
}

// ReadTruth reads what WriteTruth wrote.
func ReadTruth(path string) (Truth, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Truth{}, fmt.Errorf("read truth: %w", err)
	}
	var t Truth
	if err := json.Unmarshal(b, &t); err != nil {
		return Truth{}, fmt.Errorf("decode truth: %w", err)
	}
	return t, nil
}
