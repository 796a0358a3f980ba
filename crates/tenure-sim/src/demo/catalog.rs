//! Names, places and lists the demo company is drawn from. All of it is invented.

/// The invented vendor whose customers the accounts are.
pub const VENDOR_NAME: &str = "Northbeam Boards";

/// A customer success manager of the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsManager {
    /// Value of the account trait `owner`.
    pub handle: &'static str,
    /// Full name.
    pub name: &'static str,
    /// Address.
    pub email: &'static str,
}

const fn manager(handle: &'static str, name: &'static str, email: &'static str) -> CsManager {
    CsManager {
        handle,
        name,
        email,
    }
}

/// The eight customer success managers.
pub const MANAGERS: [CsManager; 8] = [
    manager("dana", "Dana Osei", "dana@example.com"),
    manager("marek", "Marek Lindqvist", "marek@example.com"),
    manager("yuki", "Yuki Tanabe", "yuki@example.com"),
    manager("leonie", "Leonie Brandt", "leonie@example.com"),
    manager("samir", "Samir Haddad", "samir@example.com"),
    manager("claire", "Claire Fontaine", "claire@example.com"),
    manager("tomas", "Tomás Ferreira", "tomas@example.com"),
    manager("ines", "Inés Navarro", "ines@example.com"),
];

/// Features people use, the most popular first.
pub const FEATURES: [&str; 12] = [
    "board",
    "comments",
    "timeline",
    "docs",
    "dashboards",
    "automations",
    "forms",
    "integrations",
    "time_tracking",
    "workload",
    "approvals",
    "portfolio",
];

/// Milestones of the success plan, in the usual order.
pub const MILESTONES: [&str; 5] = [
    "first_board",
    "team_invited",
    "first_automation",
    "integration_connected",
    "first_review",
];

/// A place customers sit in.
pub(crate) struct Location {
    pub(crate) country: &'static str,
    pub(crate) timezone: &'static str,
    pub(crate) locale: &'static str,
    /// Share of the customers, relative.
    pub(crate) weight: f64,
}

const fn location(
    country: &'static str,
    timezone: &'static str,
    locale: &'static str,
    weight: f64,
) -> Location {
    Location {
        country,
        timezone,
        locale,
        weight,
    }
}

pub(crate) const LOCATIONS: [Location; 15] = [
    location("US", "America/New_York", "en-US", 20.0),
    location("US", "America/Chicago", "en-US", 8.0),
    location("US", "America/Los_Angeles", "en-US", 12.0),
    location("GB", "Europe/London", "en-GB", 14.0),
    location("DE", "Europe/Berlin", "de-DE", 16.0),
    location("FR", "Europe/Paris", "fr-FR", 7.0),
    location("NL", "Europe/Amsterdam", "nl-NL", 4.0),
    location("ES", "Europe/Madrid", "es-ES", 4.0),
    location("SE", "Europe/Stockholm", "sv-SE", 3.0),
    location("CA", "America/Toronto", "en-CA", 5.0),
    location("BR", "America/Sao_Paulo", "pt-BR", 3.0),
    location("IN", "Asia/Kolkata", "en-IN", 4.0),
    location("SG", "Asia/Singapore", "en-SG", 2.0),
    location("JP", "Asia/Tokyo", "ja-JP", 3.0),
    location("AU", "Australia/Sydney", "en-AU", 5.0),
];

/// Trade, and what companies of that trade call themselves.
pub(crate) const INDUSTRIES: [(&str, [&str; 4]); 10] = [
    ("software", ["Labs", "Software", "Systems", "Technologies"]),
    ("logistics", ["Logistics", "Freight", "Shipping", "Cargo"]),
    ("retail", ["Stores", "Retail", "Market", "Outfitters"]),
    (
        "manufacturing",
        ["Works", "Industries", "Tooling", "Components"],
    ),
    ("health", ["Health", "Care", "Clinics", "Diagnostics"]),
    ("education", ["Academy", "Learning", "College", "Education"]),
    ("media", ["Media", "Studios", "Press", "Creative"]),
    ("finance", ["Capital", "Finance", "Advisors", "Insurance"]),
    (
        "construction",
        ["Construction", "Builders", "Structures", "Homes"],
    ),
    (
        "consulting",
        ["Consulting", "Partners", "Group", "Associates"],
    ),
];

pub(crate) const NAME_STARTS: [&str; 32] = [
    "Alder", "Amber", "Birch", "Blue", "Bright", "Cedar", "Clear", "Cobalt", "Copper", "Dune",
    "Elm", "Ever", "Fern", "Fox", "Granite", "Harbor", "Hazel", "Iron", "Juniper", "Kestrel",
    "Lark", "Maple", "Moss", "Oak", "Opal", "Pine", "Quill", "River", "Silver", "Stone", "Tern",
    "Willow",
];

pub(crate) const NAME_ENDS: [&str; 24] = [
    "bridge", "brook", "crest", "dale", "field", "forge", "gate", "grove", "haven", "hill", "lane",
    "leaf", "line", "mark", "mere", "mill", "path", "point", "ridge", "spring", "stead", "vale",
    "water", "wood",
];

pub(crate) const FIRST_NAMES: [&str; 72] = [
    "Aisha", "Alma", "Amir", "Anna", "Anton", "Ava", "Ben", "Bianca", "Carla", "Chloe", "Daniel",
    "David", "Elena", "Elif", "Emil", "Emma", "Erik", "Eva", "Farah", "Felix", "Fiona", "Gabriel",
    "Grace", "Hana", "Hannah", "Hugo", "Ian", "Ida", "Isabel", "Ivan", "Jack", "Jana", "Jasper",
    "Jonas", "Julia", "Kai", "Karin", "Kenji", "Lara", "Laura", "Leo", "Lina", "Lucas", "Maria",
    "Marta", "Mateo", "Maya", "Mia", "Mina", "Nadia", "Nina", "Noah", "Nora", "Olga", "Oliver",
    "Omar", "Oscar", "Paula", "Priya", "Rafael", "Ravi", "Rosa", "Ruth", "Sara", "Simon", "Sofia",
    "Stefan", "Tara", "Theo", "Vera", "Wei", "Zoe",
];

pub(crate) const LAST_NAMES: [&str; 72] = [
    "Adler", "Almeida", "Anders", "Bailey", "Bauer", "Becker", "Bennett", "Berg", "Blanc",
    "Brooks", "Carter", "Chen", "Clarke", "Costa", "Cruz", "Dietrich", "Duarte", "Dubois",
    "Eriksen", "Evans", "Fischer", "Foster", "Garcia", "Gomez", "Graham", "Gupta", "Hansen",
    "Hayes", "Hoffman", "Hughes", "Ito", "Jansen", "Jensen", "Kaur", "Keller", "Khan", "Klein",
    "Kowalski", "Kumar", "Lambert", "Larsen", "Lopez", "Martin", "Mehta", "Meyer", "Moreau",
    "Morgan", "Mori", "Murphy", "Nakamura", "Novak", "Okafor", "Olsen", "Ortega", "Park", "Patel",
    "Peters", "Quinn", "Ramos", "Reyes", "Richter", "Rossi", "Santos", "Sato", "Schmidt", "Silva",
    "Singh", "Sorensen", "Tan", "Vogel", "Walsh", "Weber",
];

pub(crate) const TICKET_CATEGORIES: [&str; 6] = [
    "how_to",
    "bug",
    "billing",
    "performance",
    "integration",
    "access",
];

pub(crate) const REPORT_TEMPLATES: [&str; 5] =
    ["status", "burndown", "workload", "budget", "custom"];

pub(crate) const EXPORT_FORMATS: [&str; 3] = ["csv", "xlsx", "pdf"];

pub(crate) const API_ENDPOINTS: [&str; 5] = [
    "items.list",
    "items.create",
    "items.update",
    "boards.list",
    "webhooks.create",
];
