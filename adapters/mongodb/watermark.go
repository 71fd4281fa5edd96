package mongodb

import "time"

// watermarkID is the _id of the watermark that earlier releases kept: see
// [domain.BlacklistedToken.ForgottenThrough]. Its field "through" holds the latest
// expiry of the tokens that they purged. This release reads it only.
//
// Open gives it version 3, which changed no field: see "Servers of several versions" in
// the comment of the package.
const watermarkID = "forgotten"

func watermarkSchema() schema[time.Time] {
	return schema[time.Time]{blacklist, []func(*document) time.Time{
		decodeWatermark,
		decodeWatermark, // version 2 only added the version
		decodeWatermark,
	}}
}

func decodeWatermark(doc *document) time.Time { return doc.time("through") }
