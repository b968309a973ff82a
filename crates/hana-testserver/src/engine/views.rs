//! The columns of the system views, as in SAP HANA SQL and System Views Reference; only those that clients of this
//! server ask for.

use crate::types::SqlType;

const NAME: SqlType = SqlType::NVarchar(256);
const FLAG: SqlType = SqlType::NVarchar(5);
const INT: SqlType = SqlType::Integer;

type View = (&'static str, &'static [(&'static str, SqlType)]);

/// Names and columns.
pub(super) const VIEWS: &[View] = &[
    ("DUMMY", &[("DUMMY", SqlType::NVarchar(1))]),
    ("SCHEMAS", &[("SCHEMA_NAME", NAME), ("SCHEMA_OWNER", NAME)]),
    (
        "TABLES",
        &[
            ("SCHEMA_NAME", NAME),
            ("TABLE_NAME", NAME),
            ("TABLE_OID", SqlType::BigInt),
            ("COMMENTS", NAME),
            ("IS_COLUMN_TABLE", FLAG),
            ("TABLE_TYPE", SqlType::NVarchar(16)),
            ("HAS_PRIMARY_KEY", FLAG),
            ("IS_TEMPORARY", FLAG),
        ],
    ),
    ("TABLE_COLUMNS", COLUMN_COLUMNS),
    (
        "VIEWS",
        &[
            ("SCHEMA_NAME", NAME),
            ("VIEW_NAME", NAME),
            ("VIEW_OID", SqlType::BigInt),
            ("IS_VALID", FLAG),
        ],
    ),
    ("VIEW_COLUMNS", VIEW_COLUMN_COLUMNS),
    (
        "SYNONYMS",
        &[
            ("SCHEMA_NAME", NAME),
            ("SYNONYM_NAME", NAME),
            ("OBJECT_SCHEMA", NAME),
            ("OBJECT_NAME", NAME),
            ("OBJECT_TYPE", SqlType::NVarchar(32)),
            ("IS_VALID", FLAG),
        ],
    ),
    (
        "CONSTRAINTS",
        &[
            ("SCHEMA_NAME", NAME),
            ("TABLE_NAME", NAME),
            ("COLUMN_NAME", NAME),
            ("POSITION", INT),
            ("CONSTRAINT_NAME", NAME),
            ("IS_PRIMARY_KEY", FLAG),
            ("IS_UNIQUE_KEY", FLAG),
        ],
    ),
    (
        "INDEXES",
        &[
            ("SCHEMA_NAME", NAME),
            ("TABLE_NAME", NAME),
            ("INDEX_NAME", NAME),
            ("CONSTRAINT", SqlType::NVarchar(16)),
        ],
    ),
    (
        "INDEX_COLUMNS",
        &[
            ("SCHEMA_NAME", NAME),
            ("TABLE_NAME", NAME),
            ("INDEX_NAME", NAME),
            ("COLUMN_NAME", NAME),
            ("POSITION", INT),
            ("CONSTRAINT", SqlType::NVarchar(16)),
        ],
    ),
    (
        "SEQUENCES",
        &[
            ("SCHEMA_NAME", NAME),
            ("SEQUENCE_NAME", NAME),
            ("START_NUMBER", SqlType::BigInt),
            ("INCREMENT_BY", SqlType::BigInt),
        ],
    ),
    ("USERS", &[("USER_NAME", NAME), ("USER_DEACTIVATED", FLAG)]),
    ("EFFECTIVE_PRIVILEGES", PRIVILEGE_COLUMNS),
    ("GRANTED_PRIVILEGES", PRIVILEGE_COLUMNS),
    (
        "M_DATABASE",
        &[
            ("SYSTEM_ID", NAME),
            ("DATABASE_NAME", NAME),
            ("HOST", NAME),
            ("VERSION", NAME),
            ("USAGE", NAME),
        ],
    ),
    (
        "M_CONNECTIONS",
        &[
            ("CONNECTION_ID", INT),
            ("CONNECTION_STATUS", NAME),
            ("USER_NAME", NAME),
            ("CURRENT_SCHEMA_NAME", NAME),
            ("CLIENT_APPLICATION", NAME),
            ("IS_ENCRYPTED", FLAG),
        ],
    ),
    ("M_ERROR_CODES", &[("CODE", INT), ("DESCRIPTION", NAME)]),
];

const COLUMN_COLUMNS: &[(&str, SqlType)] = &[
    ("SCHEMA_NAME", NAME),
    ("TABLE_NAME", NAME),
    ("COLUMN_NAME", NAME),
    ("POSITION", INT),
    ("DATA_TYPE_ID", INT),
    ("DATA_TYPE_NAME", SqlType::NVarchar(16)),
    ("LENGTH", INT),
    ("SCALE", INT),
    ("IS_NULLABLE", FLAG),
    ("DEFAULT_VALUE", SqlType::TEXT),
    ("COMMENTS", SqlType::TEXT),
    ("GENERATION_TYPE", SqlType::NVarchar(32)),
    ("GENERATED_ALWAYS_AS", SqlType::NClob),
];

const VIEW_COLUMN_COLUMNS: &[(&str, SqlType)] = &[
    ("SCHEMA_NAME", NAME),
    ("VIEW_NAME", NAME),
    ("COLUMN_NAME", NAME),
    ("POSITION", INT),
    ("DATA_TYPE_NAME", SqlType::NVarchar(16)),
    ("LENGTH", INT),
    ("SCALE", INT),
    ("IS_NULLABLE", FLAG),
];

const PRIVILEGE_COLUMNS: &[(&str, SqlType)] = &[
    ("USER_NAME", NAME),
    ("GRANTEE", NAME),
    ("GRANTOR", NAME),
    ("OBJECT_TYPE", SqlType::NVarchar(32)),
    ("SCHEMA_NAME", NAME),
    ("OBJECT_NAME", NAME),
    ("PRIVILEGE", NAME),
    ("IS_GRANTABLE", FLAG),
    ("IS_VALID", FLAG),
];
