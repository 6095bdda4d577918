//! Common names, streets and places that people are made of.
//!
//! The names are frequent ones from many origins; a combination that somebody bears is a coincidence.

/// Names that go together.
pub(crate) struct Origin {
    pub(crate) women: &'static [&'static str],
    pub(crate) men: &'static [&'static str],
    pub(crate) families: &'static [&'static str],
    /// ISO 639-1 code of the other language somebody of this origin may prefer.
    pub(crate) language: (&'static str, &'static str),
    /// HL7 table 0005 and 0189.
    pub(crate) race: (&'static str, &'static str),
    pub(crate) ethnicity: &'static str,
}

const WHITE: (&str, &str) = ("2106-3", "White");
const BLACK: (&str, &str) = ("2054-5", "Black or African American");
const ASIAN: (&str, &str) = ("2028-9", "Asian");
const OTHER: (&str, &str) = ("2131-1", "Other Race");
const NATIVE: (&str, &str) = ("1002-5", "American Indian or Alaska Native");

/// The origins. Earlier ones are not more frequent by themselves; see [`ORIGIN_WEIGHTS`].
pub(crate) const ORIGINS: [Origin; 9] = [
    Origin {
        women: &["Mary", "Emma", "Olivia", "Jennifer", "Susan", "Abigail", "Grace", "Carol", "Heather", "Megan", "Alice", "Ruth", "Joan"],
        men: &["James", "William", "Thomas", "Ethan", "Andrew", "Mark", "Ryan", "Walter", "Kevin", "Peter", "George", "Hugh", "Neil"],
        families: &[
            "Smith", "Johnson", "Baker", "Turner", "Carter", "Hughes", "Wood", "O'Neill", "McDonald", "Clarke", "Bennett", "Parker",
            "O'Connor", "Fletcher", "Hill", "May",
        ],
        language: ("en", "English"),
        race: WHITE,
        ethnicity: "N",
    },
    Origin {
        women: &["María", "Sofía", "Carmen", "Lucía", "Guadalupe", "Elena", "Rosa", "Inés", "Pilar", "Isabel"],
        men: &["José", "Luis", "Carlos", "Miguel", "Ángel", "Diego", "Raúl", "Jorge", "Andrés", "Mateo"],
        families: &[
            "García",
            "Martínez",
            "López",
            "Hernández",
            "Muñoz",
            "De la Cruz",
            "Ramírez",
            "Peña",
            "Ortega",
            "Vega",
            "Castillo",
            "Núñez",
        ],
        language: ("es", "Spanish"),
        race: OTHER,
        ethnicity: "H",
    },
    Origin {
        women: &["Keisha", "Denise", "Angela", "Tanya", "Monique", "Gloria", "Simone", "Yvonne"],
        men: &["Marcus", "Darnell", "Andre", "Terrence", "Isaiah", "Curtis", "Reggie", "Malcolm"],
        families: &["Washington", "Jefferson", "Banks", "Booker", "Freeman", "Gaines", "Mosley", "Dorsey", "Coleman", "Rivers"],
        language: ("en", "English"),
        race: BLACK,
        ethnicity: "N",
    },
    Origin {
        women: &["Mei", "Xiu", "Ling", "Yuki", "Min-ji", "Hana", "Thi Lan", "Huong", "Jia"],
        men: &["Wei", "Jun", "Hao", "Kenji", "Min-jun", "Hiro", "Van Minh", "Duc", "Bo"],
        families: &["Wang", "Li", "Chen", "Zhang", "Nguyen", "Tran", "Kim", "Park", "Tanaka", "Sato", "Le", "Ng"],
        language: ("zh", "Chinese"),
        race: ASIAN,
        ethnicity: "N",
    },
    Origin {
        women: &["Priya", "Ananya", "Lakshmi", "Fatima", "Deepa", "Kavita", "Meera"],
        men: &["Arjun", "Rahul", "Sanjay", "Imran", "Vikram", "Anil", "Ravi"],
        families: &["Patel", "Sharma", "Singh", "Khan", "Reddy", "Gupta", "Iyer", "Das", "Banerjee"],
        language: ("hi", "Hindi"),
        race: ASIAN,
        ethnicity: "N",
    },
    Origin {
        women: &["Chioma", "Amara", "Ngozi", "Abena", "Wanjiru", "Zainab"],
        men: &["Chidi", "Kwame", "Emeka", "Kofi", "Tunde", "Kamau"],
        families: &["Okafor", "Mensah", "Adeyemi", "Kamau", "Diallo", "Abubakar", "Nwosu"],
        language: ("fr", "French"),
        race: BLACK,
        ethnicity: "N",
    },
    Origin {
        women: &["Layla", "Noor", "Mariam", "Yasmin", "Shirin", "Rana"],
        men: &["Omar", "Hassan", "Ali", "Karim", "Reza", "Yusuf"],
        families: &["Haddad", "Al-Sayed", "Mansour", "Khalil", "Rahimi", "Nasser", "Aziz"],
        language: ("ar", "Arabic"),
        race: WHITE,
        ethnicity: "N",
    },
    Origin {
        women: &["Anna", "Zoë", "Ingrid", "Małgorzata", "Katarzyna", "Svetlana", "Chloé", "Jadwiga"],
        men: &["Łukasz", "Jürgen", "Søren", "Pavel", "François", "Dmitri", "Bjørn", "Henrik"],
        families: &["Müller", "Nowak", "Kowalski", "Andersson", "Lefèvre", "Ivanov", "Sørensen", "van der Berg", "Rossi", "Dvořák"],
        language: ("pl", "Polish"),
        race: WHITE,
        ethnicity: "N",
    },
    Origin {
        women: &["Winona", "Dakota", "Leilani", "Kaya"],
        men: &["Joseph", "Koa", "Samuel", "Ray"],
        families: &["Begay", "Yazzie", "Tsosie", "Kealoha", "Whitehorse"],
        language: ("en", "English"),
        race: NATIVE,
        ethnicity: "N",
    },
];

/// How many of 100 people are of each origin.
pub(crate) const ORIGIN_WEIGHTS: [u64; 9] = [38, 19, 13, 8, 6, 4, 3, 7, 2];

/// Street names.
pub(crate) const STREETS: [&str; 22] = [
    "Main St",
    "Oak Ave",
    "Maple Dr",
    "Park Blvd",
    "3rd St",
    "Washington Ave",
    "Lake Rd",
    "Hillcrest Ln",
    "Church St",
    "Elm St",
    "Cedar Ct",
    "Mill Rd",
    "Riverside Dr",
    "Pine St",
    "Sunset Blvd",
    "2nd Ave N",
    "Prospect St",
    "County Road 12",
    "Highland Ave",
    "Martin Luther King Jr Blvd",
    "Spring St",
    "Franklin St",
];

/// A city with one of its ZIP codes and its telephone area code.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// City name as the postal service writes it.
    pub city: &'static str,
    /// Two-letter state.
    pub state: &'static str,
    /// Five-digit ZIP code of that city.
    pub zip: &'static str,
    /// County name.
    pub county: &'static str,
    /// Area code of its telephone numbers.
    pub area_code: u16,
}

const fn place(city: &'static str, state: &'static str, zip: &'static str, county: &'static str, area_code: u16) -> Place {
    Place { city, state, zip, county, area_code }
}

/// Places by the facility their people mostly go to.
pub(crate) const PLACES: [&[Place]; 5] = [
    &[
        place("Chicago", "IL", "60612", "Cook", 312),
        place("Chicago", "IL", "60637", "Cook", 773),
        place("Evanston", "IL", "60201", "Cook", 847),
        place("Springfield", "IL", "62701", "Sangamon", 217),
        place("Milwaukee", "WI", "53202", "Milwaukee", 414),
        place("Madison", "WI", "53703", "Dane", 608),
        place("Indianapolis", "IN", "46202", "Marion", 317),
        place("Detroit", "MI", "48201", "Wayne", 313),
        place("Ann Arbor", "MI", "48104", "Washtenaw", 734),
        place("Cleveland", "OH", "44106", "Cuyahoga", 216),
        place("Columbus", "OH", "43215", "Franklin", 614),
        place("Minneapolis", "MN", "55415", "Hennepin", 612),
        place("Des Moines", "IA", "50309", "Polk", 515),
        place("Saint Louis", "MO", "63110", "Saint Louis City", 314),
        place("Omaha", "NE", "68102", "Douglas", 402),
        place("Louisville", "KY", "40202", "Jefferson", 502),
    ],
    &[
        place("Boston", "MA", "02115", "Suffolk", 617),
        place("Cambridge", "MA", "02139", "Middlesex", 617),
        place("Worcester", "MA", "01608", "Worcester", 508),
        place("Providence", "RI", "02903", "Providence", 401),
        place("Hartford", "CT", "06103", "Hartford", 860),
        place("Portland", "ME", "04101", "Cumberland", 207),
        place("Burlington", "VT", "05401", "Chittenden", 802),
        place("New York", "NY", "10016", "New York", 212),
        place("Brooklyn", "NY", "11201", "Kings", 718),
        place("Buffalo", "NY", "14202", "Erie", 716),
        place("Newark", "NJ", "07102", "Essex", 973),
        place("Philadelphia", "PA", "19104", "Philadelphia", 215),
        place("Pittsburgh", "PA", "15213", "Allegheny", 412),
        place("Baltimore", "MD", "21201", "Baltimore City", 410),
    ],
    &[
        place("Denver", "CO", "80204", "Denver", 303),
        place("Aurora", "CO", "80012", "Arapahoe", 303),
        place("Boulder", "CO", "80302", "Boulder", 303),
        place("Colorado Springs", "CO", "80903", "El Paso", 719),
        place("Salt Lake City", "UT", "84132", "Salt Lake", 801),
        place("Cheyenne", "WY", "82001", "Laramie", 307),
        place("Albuquerque", "NM", "87102", "Bernalillo", 505),
        place("Phoenix", "AZ", "85006", "Maricopa", 602),
        place("Tucson", "AZ", "85719", "Pima", 520),
        place("Boise", "ID", "83702", "Ada", 208),
        place("Billings", "MT", "59101", "Yellowstone", 406),
    ],
    &[
        place("Houston", "TX", "77030", "Harris", 713),
        place("Houston", "TX", "77002", "Harris", 713),
        place("Austin", "TX", "78701", "Travis", 512),
        place("San Antonio", "TX", "78207", "Bexar", 210),
        place("Dallas", "TX", "75235", "Dallas", 214),
        place("El Paso", "TX", "79901", "El Paso", 915),
        place("New Orleans", "LA", "70112", "Orleans", 504),
        place("Oklahoma City", "OK", "73104", "Oklahoma", 405),
        place("Little Rock", "AR", "72205", "Pulaski", 501),
        place("Atlanta", "GA", "30303", "Fulton", 404),
        place("Miami", "FL", "33125", "Miami-Dade", 305),
        place("Birmingham", "AL", "35203", "Jefferson", 205),
        place("Nashville", "TN", "37203", "Davidson", 615),
        place("Memphis", "TN", "38103", "Shelby", 901),
    ],
    &[
        place("Seattle", "WA", "98104", "King", 206),
        place("Tacoma", "WA", "98402", "Pierce", 253),
        place("Spokane", "WA", "99201", "Spokane", 509),
        place("Portland", "OR", "97239", "Multnomah", 503),
        place("San Francisco", "CA", "94110", "San Francisco", 415),
        place("Sacramento", "CA", "95817", "Sacramento", 916),
        place("Los Angeles", "CA", "90033", "Los Angeles", 213),
        place("San Diego", "CA", "92103", "San Diego", 619),
        place("Las Vegas", "NV", "89102", "Clark", 702),
        place("Honolulu", "HI", "96813", "Honolulu", 808),
        place("Anchorage", "AK", "99508", "Anchorage", 907),
    ],
];

/// Places in ZIP code areas (first three digits) with at most 20 000 inhabitants, which a privacy filter
/// must blank, with the facility their people mostly go to. Drawn for one person in fifty.
pub(crate) const SPARSE_PLACES: [(usize, Place); 18] = [
    (1, place("Charlestown", "NH", "03603", "Sullivan", 603)),
    (1, place("Alstead", "NH", "03602", "Cheshire", 603)),
    (1, place("Guildhall", "VT", "05905", "Essex", 802)),
    (1, place("Canaan", "VT", "05903", "Essex", 802)),
    (1, place("New York", "NY", "10282", "New York", 212)),
    (1, place("Washington", "DC", "20310", "District of Columbia", 202)),
    (0, place("Two Harbors", "MN", "55616", "Lake", 218)),
    (0, place("Grand Marais", "MN", "55604", "Cook", 218)),
    (0, place("Valentine", "NE", "69201", "Cherry", 402)),
    (2, place("Yellowstone National Park", "WY", "82190", "Park", 307)),
    (2, place("Rawlins", "WY", "82301", "Carbon", 307)),
    (2, place("Encampment", "WY", "82325", "Carbon", 307)),
    (2, place("Socorro", "NM", "87801", "Socorro", 575)),
    (2, place("Truth or Consequences", "NM", "87901", "Sierra", 575)),
    (3, place("Tucumcari", "NM", "88401", "Quay", 575)),
    (3, place("Clayton", "NM", "88415", "Union", 575)),
    (4, place("Ely", "NV", "89301", "White Pine", 775)),
    (4, place("Baker", "NV", "89311", "White Pine", 775)),
];

/// Companies and programmes that pay: identifier and name.
pub(crate) const PAYERS: [(&str, &str); 6] = [
    ("BMHP", "Blue Meadow Health Plan"),
    ("CRST", "Crest & Harbor Insurance"),
    ("UNIT", "Unity Mutual"),
    ("SUMM", "Summit Choice HMO"),
    ("MCARE", "Medicare"),
    ("MCAID", "Medicaid"),
];
