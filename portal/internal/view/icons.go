package view

// iconPaths are our own 16-pixel outline icons.
func iconPath(name string) string {
	switch name {
	case "overview":
		return "M2.5 8.5h4v5h-4zM9.5 2.5h4v11h-4z"
	case "usage":
		return "M2.5 13.5h11M4 11V8M8 11V3M12 11V6"
	case "requests":
		return "M2.5 4h11M2.5 8h11M2.5 12h6"
	case "start":
		return "M3 13.5v-11l9.5 5.5z"
	case "keys":
		return "M10.5 8a3 3 0 1 0-2.8-2L3 10.8V13h2.5v-1.5H7V10h1z"
	case "projects":
		return "M2.5 4.5v8h11v-6.5h-6l-1.5-1.5z"
	case "credentials":
		return "M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5"
	case "models":
		return "M8 2.5l5 2.8v5.4l-5 2.8-5-2.8V5.3zM3 5.3l5 2.7 5-2.7M8 8v5.5"
	case "routes":
		return "M2.5 12.5h3c3 0 2-9 5-9h3M11 1.5l2.5 2-2.5 2M9.5 12.5h4M11 10.5l2.5 2-2.5 2"
	case "members":
		return "M6 7.5a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6zM2 13.5c0-2.2 1.6-3.7 4-3.7s4 1.5 4 3.7M10.5 3.2a2.2 2.2 0 0 1 0 4.2M11.7 10c1.5.5 2.3 1.8 2.3 3.5"
	case "management-keys":
		return "M2.5 3.5h11v9h-11zM5 6.5l2 1.7-2 1.8M8.5 10.5H11"
	case "audit":
		return "M4 2.5h8v11H4zM6 5.5h4M6 8h4M6 10.5h2"
	case "settings":
		return "M2.5 5h6M11.5 5h2M2.5 11h2M7.5 11h6M10 3.5v3M6 9.5v3"
	case "tenants":
		return "M3 13.5v-11h6v11M9 6.5h4v7M2 13.5h12M5 5h2M5 7.5h2M5 10h2"
	case "data-planes":
		return "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01"
	case "doctor":
		return "M2 8.5h3l1.5-4 3 7 1.5-3h3"
	case "menu":
		return "M2.5 4.5h11M2.5 8h11M2.5 11.5h11"
	case "search":
		return "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.2 3.2"
	case "chevron":
		return "M5 6.5l3 3 3-3"
	case "info":
		return "M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM8 7.5v3M8 5.5v.01"
	case "check":
		return "M3 8.5l3.2 3L13 4.5"
	case "plus":
		return "M8 3v10M3 8h10"
	}
	return "M8 8h.01"
}
