package fleet

import "fmt"

// model is one product. Shares are of all devices and follow a Zipf-like order inside a family.
type model struct {
	name, family string
	battery      bool
	always       bool
	share        float64
}

const (
	familyCamera  = "camera"
	familyLock    = "lock"
	familyClimate = "climate"
	familyScale   = "scale"

	badModel   = 0  // S1 happens to the best-selling camera
	lockModel  = 10 // an index of models
	scaleModel = 15
	betaScale  = 16 // what the testers of the health scale have; sold to nobody
)

var models = []model{
	{"CAM-V3", familyCamera, false, true, .171},
	{"CAM-V2", familyCamera, false, true, .120},
	{"CAM-PAN", familyCamera, false, true, .080},
	{"CAM-DOOR", familyCamera, false, true, .050},
	{"CAM-OUT", familyCamera, true, false, .029},
	{"CAM-FLOOD", familyCamera, false, true, .013},
	{"BULB-A19", "bulb", false, true, .085},
	{"BULB-STRIP", "bulb", false, true, .035},
	{"PLUG-IN", "plug", false, true, .070},
	{"PLUG-OUT", "plug", false, true, .030},
	{"LOCK-B1", familyLock, true, false, .040},
	{"CONTACT-S2", "contact", true, false, .090},
	{"MOTION-S2", "motion", true, false, .070},
	{"LEAK-S1", "leak", true, false, .030},
	{"CLIMATE-S1", familyClimate, true, false, .020},
	{"SCALE-S1", familyScale, true, false, .040},
	{"SCALE-X2", familyScale, true, false, 0},
	{"HUB-H2", "hub", false, true, .027},
}

var modelPick = func() weighted {
	shares := make([]float64, len(models))
	for i, m := range models {
		shares[i] = m.share
	}
	return newWeighted(shares...)
}()

// firmware is one release; ids are indexes+1.
type firmware struct {
	model    int
	version  string
	channel  string
	released instant
	bad      bool
}

const (
	oldReleases  = 4 // per model, from before the span
	releaseCount = oldReleases + 2
)

// firmwares lists the releases of all models: per model four stable ones from before the span, one beta, and one released inside it.
func firmwares(from, until instant) []firmware {
	length := until - from
	list := make([]firmware, 0, len(models)*releaseCount)
	for m := range models {
		for k := range oldReleases {
			released := from - span(oldReleases-k)*75*day - span(m)*day
			list = append(list, firmware{model: m, version: fmt.Sprintf("4.%d.%d.%d", 30+m, 2*k+1, 1000+37*k+m), channel: "stable", released: released})
		}
		list = append(list,
			firmware{model: m, version: fmt.Sprintf("4.%d.8.%d-beta", 30+m, 1180+m), channel: "beta", released: from - 20*day},
			firmware{model: m, version: fmt.Sprintf("4.%d.9.%d", 30+m, 1200+m), channel: "stable", released: from + length/4 + span(m%6)*length/24, bad: m == badModel})
	}
	return list
}

// release is the firmware id of a model's k-th release.
func release(model, k int) int { return model*releaseCount + k + 1 }

// region is where homes are: its zone, and how many of the accounts.
type region struct {
	code, country, zone, locale, city, postal string
	lat, lon                                  float64
	weight                                    float64
}

var regions = []region{
	{"US-CA", "US", "America/Los_Angeles", "en-US", "Harborview", "90", 34.1, -118.2, 14},
	{"US-TX", "US", "America/Chicago", "en-US", "Mesquite Bend", "75", 31.2, -97.1, 10},
	{"US-FL", "US", "America/New_York", "en-US", "Palm Hollow", "33", 28.1, -81.6, 8},
	{"US-NY", "US", "America/New_York", "en-US", "Kingsbrook", "10", 40.8, -73.9, 8},
	{"US-WA", "US", "America/Los_Angeles", "en-US", "Cedar Sound", "98", 47.5, -122.2, 6},
	{"US-IL", "US", "America/Chicago", "en-US", "Lakeford", "60", 41.8, -87.7, 5},
	{"US-GA", "US", "America/New_York", "en-US", "Peach Ridge", "30", 33.7, -84.4, 5},
	{"US-OH", "US", "America/New_York", "en-US", "Millersport", "44", 40.4, -82.9, 4},
	{"US-AZ", "US", "America/Phoenix", "en-US", "Saguaro Flats", "85", 33.4, -112.0, 4},
	{"US-CO", "US", "America/Denver", "en-US", "Aspen Gate", "80", 39.7, -104.9, 4},
	{"US-NC", "US", "America/New_York", "en-US", "Pine Hollow", "27", 35.8, -78.6, 3.5},
	{"US-MI", "US", "America/Detroit", "en-US", "Birchmont", "48", 42.7, -84.5, 3.5},
	{"CA-ON", "CA", "America/Toronto", "en-CA", "Maplewood", "M5", 43.7, -79.4, 4},
	{"CA-BC", "CA", "America/Vancouver", "en-CA", "Fraser Point", "V6", 49.2, -123.1, 2},
	{"GB-ENG", "GB", "Europe/London", "en-GB", "Ashcombe", "SW", 51.5, -0.1, 5},
	{"GB-SCT", "GB", "Europe/London", "en-GB", "Glenmuir", "EH", 55.9, -3.2, 1},
	{"DE-BE", "DE", "Europe/Berlin", "de-DE", "Lindenau", "10", 52.5, 13.4, 3},
	{"DE-BY", "DE", "Europe/Berlin", "de-DE", "Föhrenried", "80", 48.1, 11.6, 2},
	{"FR-IDF", "FR", "Europe/Paris", "fr-FR", "Valclair", "75", 48.9, 2.4, 2.5},
	{"AU-NSW", "AU", "Australia/Sydney", "en-AU", "Wattle Bay", "20", -33.9, 151.2, 2},
	{"JP-13", "JP", "Asia/Tokyo", "ja-JP", "Sakurano", "15", 35.7, 139.7, 1.5},
	{"US-HI", "US", "Pacific/Honolulu", "en-US", "Koa Ridge", "96", 21.3, -157.8, .8},
	{"US-WY", "US", "America/Denver", "en-US", "Elk Crossing", "82", 43.0, -107.5, .25}, // small cells
	{"IS-1", "IS", "Atlantic/Reykjavik", "is-IS", "Hraunvik", "10", 64.1, -21.9, .12},
}

var regionPick = func() weighted {
	w := make([]float64, len(regions))
	for i, r := range regions {
		w[i] = r.weight
	}
	return newWeighted(w...)
}()

// isp has a number of the range kept for documentation.
type isp struct {
	asn  int
	name string
}

var isps = []isp{
	{64496, "Cascade Cable"},
	{64497, "Union Fiber"},
	{64498, "Prairie Broadband"},
	{64499, "Metro One"},
	{64500, "Bluewire"},
	{64501, "Northern Light Telecom"},
	{64502, "Coastal DSL"},
	{64503, "Starling Wireless"},
	{64504, "Rhein Netz"},
	{64505, "Thames Link"},
	{64506, "Koala Net"},
	{64507, "Village Mesh Cooperative"},
}

var ispPick = zipf(len(isps), 1)

var (
	firstNames = []string{
		"Anna", "Ben", "Chloe", "Daniel", "Elena", "Felix", "Grace", "Hassan", "Ines", "Jonas", "Keiko", "Liam", "Maya", "Noah", "Olivia", "Pavel",
		"Quinn", "Rosa", "Samuel", "Tara", "Uma", "Victor", "Wendy", "Xavier", "Yara", "Zoe", "Amir", "Bianca", "Caleb", "Dora", "Emil", "Freya",
	}
	lastNames = []string{
		"Alder", "Birch", "Castellan", "Dunmore", "Eastwick", "Fairbank", "Greenhill", "Hollis", "Ironwood", "Jessop", "Kestrel", "Larkin", "Marlowe",
		"Nightingale", "Oakes", "Pemberton", "Quillen", "Rowntree", "Silverton", "Thackeray", "Underhill", "Vance", "Whitlock", "Yarrow", "Zellner",
	}
	streets     = []string{"Larkspur Lane", "Mill Road", "Orchard Street", "Juniper Court", "Station Road", "Harbour View", "Sycamore Avenue", "Old Church Way", "Fern Hill", "Copper Street"}
	mailDomains = []string{"gmail.example", "outlook.example", "yahoo.example", "icloud.example", "proton.example", "post.example", "uni-lindenau.example", "larkin-family.example"}
	mailPick    = newWeighted(52, 17, 14, 11, 3, 2, .7, .3)
	rooms       = []string{"front door", "living room", "garage", "kitchen", "back yard", "bedroom", "hallway", "office", "basement", "nursery"}
	nicknames   = []string{"Front door", "Driveway", "Garage", "Back yard", "Living room", "Baby cam", "Kitchen", "Porch", "%s's room", "Grandma %s's hall", "%s office", "Dog cam"}
	nickPick    = zipf(len(nicknames), .6)
	roomPick    = zipf(len(rooms), .7)
	phoneModels = []string{"Pixel 9", "Pixel 8a", "Galaxy S25", "Galaxy A56", "OnePlus 13", "iPhone 16", "iPhone 15", "iPhone SE", "iPhone 17 Pro", "iPhone 14"}
	appVersions = []string{"3.5.2", "3.5.1", "3.4.8", "3.4.0", "3.2.6"}
	appPick     = zipf(len(appVersions), 1.3)
)

var (
	setupSteps  = []string{"app_opened", "model_chosen", "ble_paired", "wifi_sent", "wifi_joined", "cloud_registered", "bound", "first_stream"}
	cameraSteps = []string{"app_opened", "model_chosen", "qr_scanned", "wifi_sent", "wifi_joined", "cloud_registered", "bound", "first_stream"}
)

// company's own domain: staff and rigs have addresses of it.
const companyDomain = "hearthside.example"
