package people

import (
	"slices"
	"strings"
	"sync"
	"unicode"
)

// commonWords are what most passwords are made of that were found in what others lost. Where many characters are asked for, people write such a word twice, or digits behind it.
var commonWords = sync.OnceValue(func() []string {
	words := strings.Fields(`
		abc abcd abcdef abcdefgh access admin administrator alpha america analyst andrew april ashley asdf asdfgh asdfghjkl august autumn azerty azertyuiop banana baseball basketball batman
		berlin bonjour butterfly changeme charlie cheese chocolate christmas company computer cookie daniel dashboard database december default demo diamond dragon elephant england
		facebook family february flower football freedom friday friends fuckyou geheim ginger google guest hallo hello hockey hunter iloveyou internet january jennifer jessica jordan july
		june killer kitty letmein liverpool login london love lovely maggie manager march master matrix matthew michael minecraft monday monkey mustang mypassword naruto november october
		office orange pass passphrase p@ssw0rd pa$$word passw0rd passwd passwort password p@ssword pepper phoenix pokemon postgres princess private public purple qaz qazwsx qwer qwert
		qwerty qwertyuiop qwertz qwertzuiop rainbow root samsung saturday schatz secret secure security september server shadow sommer spring starwars summer sunday sunshine superman
		support system temp test tester testing thomas thursday tuesday user viewer wednesday weir welcome whatever willkommen winter wsx yellow zaq zxcv zxcvbn zxcvbnm`)
	for i, w := range words {
		words[i] = letters(w)
	}
	return words
})

// isEasy says whether the length of a password deceives: it is something short that comes again, a walk along the alphabet or the digits, or nothing but one or two words that everybody tries
// (the account's name is one of them), however often, with a few digits and signs.
func isEasy(name Name, password string) bool {
	lower := strings.ToLower(password)
	if repeated(lower) || walks(lower) {
		return true
	}
	others := strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) {
			return -1
		}
		return c
	}, lower)
	if len(others) >= 10 && distinct(others) >= 6 && !walks(others) && !repeated(others) {
		return false
	}
	rest := letters(lower)
	words := slices.DeleteFunc(append(slices.Clone(commonWords()), letters(string(name))), func(w string) bool { return len(w) < 3 || !strings.Contains(rest, w) })
	for i, a := range words {
		if slices.ContainsFunc(words[i:], func(b string) bool { return isMadeOf(rest, a, b) }) {
			return true
		}
	}
	return false
}

func letters(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) {
			return c
		}
		return -1
	}, s)
}

// repeated says whether s is something shorter than a password may be, twice or more; the last time it may be cut.
func repeated(s string) bool {
	for p := 1; p < minPassword && 2*p <= len(s); p++ {
		if s[p:] == s[:len(s)-p] {
			return true
		}
	}
	return false
}

// walks says whether most characters of s are the neighbours of those before them.
func walks(s string) bool {
	steps := 0
	for i := 1; i < len(s); i++ {
		switch d := int(s[i]) - int(s[i-1]); d {
		case -1, 0, 1, 9, -9: // 0 is behind 9
			steps++
		}
	}
	return len(s) > 1 && 4*steps >= 3*(len(s)-1)
}

// isMadeOf says whether s is a row of two words, in any order and however often.
func isMadeOf(s, a, b string) bool {
	ends := make([]bool, len(s)+1) // where a row of words may end
	ends[0] = true
	for i := range s {
		for _, w := range []string{a, b} {
			if ends[i] && strings.HasPrefix(s[i:], w) {
				ends[i+len(w)] = true
			}
		}
	}
	return ends[len(s)]
}
