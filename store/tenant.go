package store

import (
	"fmt"
	"strings"
	"unicode"
)

// MaxTenantName is the most bytes that the name of a tenant may have.
const MaxTenantName = 255

// ErrDeleted is what every method of a [Store] returns once its tenant was
// deleted, by whichever process, and who waits in Changes is woken with. It wraps
// [ErrClosed]: for who uses the Store, it is closed for good.
var ErrDeleted = fmt.Errorf("tenant deleted: %w", ErrClosed)

// CheckTenant tests the name of a tenant: 1 to [MaxTenantName] bytes of UTF-8
// without control characters. Its error wraps [ErrInvalid]. A database of several
// tenants calls it first thing wherever it takes a name.
func CheckTenant(name string) error {
	err := checkString("tenant name", name, 1, MaxTenantName)
	if err == nil && strings.ContainsFunc(name, unicode.IsControl) {
		err = fmt.Errorf("tenant name with a control character")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}
