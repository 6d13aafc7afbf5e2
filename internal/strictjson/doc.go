// Package strictjson reads JSON objects that come from strangers and are
// signed: it refuses what two parsers could read in two ways.
//
// Beyond the grammar of RFC 8259 it refuses a member that stands twice in an
// object (compared after unescaping, at every depth), invalid UTF-8, escapes of
// lone surrogates, numbers outside the range of float64, nesting deeper than
// [MaxDepth] and anything but white space behind the object. What it accepts,
// encoding/json reads to the same values.
//
//	var object strictjson.Object
//	object.Reset(data)
//	for object.Next() {
//		switch string(object.Key()) {
//		case "sub":
//			sub, ok = object.Value().Text()
//		}
//	}
//	err := object.Err() // nothing above counts unless it is nil
//
// Nothing is allocated but the strings that are asked for, what has escapes,
// and the names of objects with many members.
package strictjson
