package sample

import "github.com/widgetd/widgetd/domain"

// HeldEmails are emails with the account that has each of them, in stores where accounts
// of an earlier version come to share emails. Key and value are local parts of emails at
// example.com; the value is as the account was registered.
//
// Of the accounts that share an email the oldest has it, and of those that are equally
// old that with the lowest public id.
func HeldEmails() map[string]string {
	return map[string]string{
		"vİctim": "vİctim", // had the key of victim@
		"ΝΙΚΟΣ":  "νικος", "νικος": "νικος", "νικοσ": "νικος",
		"sam": "SAM", "SAM": "SAM", "ſam": "SAM",
		"µ": "Μ", "μ": "Μ", "Μ": "Μ",
		"σσσ": "σςς", "ςςς": "σςς", "ΣΣΣ": "σςς",
		"ſς": "ſς", "SΣ": "ſς", "sσ": "ſς",
	}
}

// ShadowedEmails are the emails, as registered, of the accounts that have lost them to the
// accounts of [HeldEmails].
func ShadowedEmails() []domain.Email {
	return []domain.Email{
		Email("ΝΙΚΟΣ@example.com"), Email("ſam@example.com"), Email("µ@example.com"), Email("ςσς@example.com"), Email("ΣΣΣ@example.com"),
	}
}
