// Package portaltest has no code of its own: its tests do in a browser, headless
// Chromium, what people do on the portal, and have axe-core look at every page.
//
//	apt-get install chromium
//	npm ci --prefix examples/portaltest/testdata/node
//	go test ./examples/portaltest
//
// Without one of the two the tests are skipped, or fail if CLIENTELE_NO_SKIP is 1.
// PORTAL_SHOTS names a folder that gets a picture of every page, narrow and wide,
// light and dark.
package portaltest
