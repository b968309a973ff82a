//! Speaks the SQL command network protocol of SAP HANA on loopback.
