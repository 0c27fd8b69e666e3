package policy

import "slices"

// admission is one row of the admission table.
type admission struct {
	class  Class
	is     string // what it is, after "a column of class x is"
	admits []Treatment
	// metricsOnly are admitted only where no more than metrics can read the column.
	metricsOnly []Treatment
	why         string // why what it does not admit never crosses, one sentence
}

// admissions is the admission table, from the strictest class to the freest. Every class admits Drop.
var admissions = []admission{
	{
		class: Secret, is: "something that opens something: a token, a key, a hash of a password, a signed URL",
		admits: []Treatment{Drop},
		why:    "Whoever holds it can open an account, a device or a recording, so it never leaves production in any form, not hashed and not counted.",
	},
	{
		class: Health, is: "about a body",
		admits: []Treatment{Drop},
		why:    "It is about somebody's body, so it stays in production; only published, noised answers may ever speak of it.",
	},
	{
		class: DirectIdentifier, is: "something that names a person or a device by itself",
		admits: []Treatment{Drop, Presence, Pseudonym, Domain},
		why:    "It names a person or a device by itself, so its text never crosses; a pseudonym or the fact that it is filled in may.",
	},
	{
		class: Identifier, is: "a key of production",
		admits: []Treatment{Drop, Presence, Pseudonym},
		why:    "It is the key by which production finds a person or a device, so the number itself never crosses; a pseudonym may.",
	},
	{
		class: Network, is: "a fact about a network",
		admits: []Treatment{Drop, Presence, Prefix, Map},
		why:    "It describes somebody's network and is easily guessed from any fingerprint of it, so neither it nor a pseudonym of it crosses.",
	},
	{
		class: Location, is: "where somebody or something is",
		admits: []Treatment{Drop, Presence, Prefix, Bucket, Map},
		why:    "It says where somebody lives, so no more than a coarse region of it crosses.",
	},
	{
		class: Behaviour, is: "when and what somebody did",
		admits: []Treatment{Drop, Presence, Truncate, Count}, metricsOnly: []Treatment{Keep},
		why: "It shows when somebody is at home and what they do, so the exact time reaches at most the metrics and nobody's SQL.",
	},
	{
		class: Attribute, is: "about a person without naming one",
		admits: []Treatment{Drop, Presence, Bucket, Truncate, Map, Keep},
		why:    "It is about a person and narrows down who it is, so it crosses only where a question needs it.",
	},
	{
		class: FreeText, is: "whatever people typed",
		admits: []Treatment{Drop, Presence, Redact},
		why:    "People type names, addresses and passwords into any box, so what they typed does not cross as it is.",
	},
	{
		class: Telemetry, is: "about the device",
		admits: []Treatment{Drop, Keep, Presence, Truncate, Bucket, Prefix, Domain, Map, Count, Redact, Fields},
		why:    "It is about the device and not about its owner; it is held back only where nothing asks for it.",
	},
	{
		class: Public, is: "known to the world",
		admits: []Treatment{Drop, Keep, Presence, Pseudonym, Truncate, Bucket, Prefix, Domain, Map, Count, Redact, Fields},
		why:    "It is known to the world; it is held back only where nothing asks for it.",
	},
}

// Classes returns every class, from the strictest to the freest.
func Classes() []Class {
	all := make([]Class, len(admissions))
	for i, a := range admissions {
		all[i] = a.class
	}
	return all
}

// admissionOf returns the row of the class, or nil.
func admissionOf(c Class) *admission {
	for i := range admissions {
		if admissions[i].class == c {
			return &admissions[i]
		}
	}
	return nil
}

// Admits returns the treatments that the class admits for a column with that access, drop first; nil for an unknown class.
func (c Class) Admits(a Access) []Treatment {
	row := admissionOf(c)
	if row == nil {
		return nil
	}
	all := slices.Clone(row.admits)
	if a == AccessMetrics {
		all = append(all, row.metricsOnly...)
	}
	return all
}

// Is says in words what a column of the class is: "a key of production"; empty for an unknown class.
func (c Class) Is() string {
	if row := admissionOf(c); row != nil {
		return row.is
	}
	return ""
}

// Why says in one sentence why the class is held back as it is; empty for an unknown class.
func (c Class) Why() string {
	if row := admissionOf(c); row != nil {
		return row.why
	}
	return ""
}
