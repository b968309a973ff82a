//! What the owner of HANA's tables has to grant, as texts for people.

use super::ddl::OWN_TABLES;
use crate::row::TableName;

/// Who is granted what, and where the own tables are.
#[derive(Debug, Clone)]
pub struct Grants<'a> {
    /// The schema of our own tables, and of tables without one.
    pub schema: &'a str,
    /// The tables of surveys.
    pub tables: &'a [TableName],
    /// The service's own user.
    pub user: &'a str,
    /// The user of the service that grants to containers.
    pub grantor: &'a str,
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Grants<'_> {
    fn qualified(&self, table: &TableName) -> String {
        let schema = table.schema().unwrap_or(self.schema);
        format!("{}.{}", quoted(schema), quoted(table.name()))
    }

    fn own(&self, name: &str) -> String {
        format!("{}.{}", quoted(self.schema), quoted(name))
    }

    /// What the service's user needs where it owns no tables: reading and writing rows, and nothing else. An upsert
    /// needs both INSERT and UPDATE.
    #[must_use]
    pub fn for_the_service(&self) -> Vec<String> {
        let user = quoted(self.user);
        let tables = self.tables.iter().map(|table| self.qualified(table));
        let own = OWN_TABLES.iter().map(|table| self.own(table.name));
        let mut statements: Vec<String> = tables
            .chain(own)
            .map(|table| format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {user};"))
            .collect();
        let positions = self.own("QUALTRICS_POSITIONS");
        statements.push(format!("GRANT SELECT ON {positions} TO {user};"));
        statements
    }

    /// What the grantor of a container needs: to pass on reading, of the surveys' tables alone.
    #[must_use]
    pub fn for_the_grantor(&self) -> Vec<String> {
        let grantor = quoted(self.grantor);
        let grant = |table| {
            let table = self.qualified(table);
            format!("GRANT SELECT ON {table} TO {grantor} WITH GRANT OPTION;")
        };
        self.tables.iter().map(grant).collect()
    }

    /// `db/src/ingester.hdbgrants` of a consumer: its object owner may expose views over the tables, its application
    /// user may read them. Source: SAP HANA Deployment Infrastructure Reference, `.hdbgrants`.
    #[must_use]
    pub fn hdbgrants(&self, service: &str) -> String {
        let privileges = |key: &str| -> serde_json::Value {
            let of = |table: &TableName| {
                serde_json::json!({
                    "schema": table.schema().unwrap_or(self.schema),
                    "name": table.name(),
                    key: ["SELECT"],
                })
            };
            self.tables.iter().map(of).collect()
        };
        let grants = serde_json::json!({
            service: {
                "object_owner": { "object_privileges": privileges("privileges_with_grant_option") },
                "application_user": { "object_privileges": privileges("privileges") },
            }
        });
        format!("{grants:#}")
    }

    /// `db/src/feedback.hdbsynonym` of a consumer. The synonym's name is in upper case, because CAP reaches no other.
    #[must_use]
    pub fn hdbsynonym(&self) -> String {
        let of = |table: &TableName| {
            let target = serde_json::json!({
                "target": { "object": table.name(), "schema": table.schema().unwrap_or(self.schema) }
            });
            (table.name().to_uppercase(), target)
        };
        let synonyms: serde_json::Map<_, _> = self.tables.iter().map(of).collect();
        format!("{:#}", serde_json::Value::from(synonyms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_name_every_object_and_no_more_than_is_needed() {
        let tables = ["\"DBADMIN\".\"TEST_QUALTRICS\"".parse().unwrap()];
        let grants = Grants {
            schema: "APP",
            tables: &tables,
            user: "INGESTER_APP",
            grantor: "INGESTER_GRANTOR",
        };

        let service = grants.for_the_service();
        assert_eq!(service.len(), 9);
        assert_eq!(
            service[0],
            "GRANT SELECT, INSERT, UPDATE, DELETE ON \"DBADMIN\".\"TEST_QUALTRICS\" TO \"INGESTER_APP\";"
        );
        assert_eq!(
            service[8],
            "GRANT SELECT ON \"APP\".\"QUALTRICS_POSITIONS\" TO \"INGESTER_APP\";"
        );
        assert_eq!(
            grants.for_the_grantor(),
            [
                "GRANT SELECT ON \"DBADMIN\".\"TEST_QUALTRICS\" TO \"INGESTER_GRANTOR\" WITH GRANT OPTION;"
            ]
        );
        assert!(grants.hdbsynonym().contains(
            "\"TEST_QUALTRICS\": {\n    \"target\": {\n      \"object\": \"TEST_QUALTRICS\""
        ));
        let hdbgrants: serde_json::Value =
            serde_json::from_str(&grants.hdbgrants("ingester-grantor")).unwrap();
        let owner = &hdbgrants["ingester-grantor"]["object_owner"]["object_privileges"][0];
        assert_eq!(owner["privileges_with_grant_option"][0], "SELECT");
        assert_eq!(owner["schema"], "DBADMIN");
    }
}
