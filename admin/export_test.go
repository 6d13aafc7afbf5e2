package admin

// Operations returns all that the API can do: "GET /api-clients/{id}".
func Operations() []string {
	var all []string
	for _, r := range routes(true) {
		for i := range r.operations {
			all = append(all, r.operations[i].method+" "+r.path)
		}
	}
	return all
}
