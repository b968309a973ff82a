//! From a definition to a map that fits the table as it is; table and definition are kept.

use std::sync::{Arc, PoisonError};

use ingester_core::id::SurveyId;
use ingester_core::mapping::ColumnMap;
use ingester_core::row::{Cell, Column, ColumnName, ColumnType};
use ingester_core::sql;
use ingester_core::survey::{DefinitionAnswers, SurveyDefinition};

use super::{CompiledSurvey, Loading, Survey, SurveyError, Surveys, codebook, map_options};
use crate::config;
use crate::store::{ExistingColumn, Store, StoreError};

/// The job under which `QUALTRICS_RUNS` notes that a survey's table was created by us.
const CREATED: &str = "table";

impl Surveys {
    pub(super) async fn kept(
        &self,
        survey: &SurveyId,
    ) -> Result<Option<SurveyDefinition>, SurveyError> {
        const KINDS: [ColumnType; 3] = [
            ColumnType::NVarchar(100),
            ColumnType::NClob,
            ColumnType::NVarchar(64),
        ];
        let rows = self
            .0
            .store
            .rows(sql::surveys::definition(survey), &KINDS)
            .await?;
        Ok(match rows.first().map(|row| &**row) {
            // What a former version kept and this one can't read is fetched again.
            Some([_, Cell::Text(definition), _]) => SurveyDefinition::from_json(definition).ok(),
            _ => None,
        })
    }

    pub(super) async fn fetch(
        &self,
        survey: &Survey,
        loading: &mut Loading,
    ) -> Result<Arc<CompiledSurvey>, SurveyError> {
        let bodies = self.0.qualtrics.definition(&survey.settings.id).await?;
        let answers = DefinitionAnswers {
            response_schema: bodies.response_schema.as_deref(),
            survey: bodies.survey.as_deref(),
            survey_definition: bodies.survey_definition.as_deref(),
        };
        let definition = SurveyDefinition::from_answers(&survey.settings.id, &answers)?;
        self.fit(survey, definition, loading).await
    }

    /// Compiles a definition, makes or reads the table, and keeps both.
    pub(super) async fn fit(
        &self,
        survey: &Survey,
        definition: SurveyDefinition,
        loading: &mut Loading,
    ) -> Result<Arc<CompiledSurvey>, SurveyError> {
        let settings = &survey.settings;
        self.check_brand(&definition).await?;
        let assigned = codebook(&self.0.store, &settings.id).await?;
        let (wanted, notes) = ColumnMap::compile(&definition, &map_options(settings), &assigned)?;
        for note in &notes {
            tracing::info!(survey = %settings.id, "{note}");
        }
        let (map, missing) = self.table(settings, &wanted).await?;
        let version = definition.version();
        self.keep(settings, &definition, &version, &wanted).await?;
        if !missing.is_empty() && loading.reported != missing {
            let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
            tracing::warn!(survey = %settings.id, "table {} lacks columns of survey {}, which are left out: {}; `schema apply` adds them", settings.table, settings.id, names.join(", "));
        }
        loading.reported.clone_from(&missing);
        loading.succeeded();
        let compiled = Arc::new(CompiledSurvey {
            settings: settings.clone(),
            table: Arc::new(map.table().clone()),
            definition,
            version,
            map,
            missing,
            notes,
            pseudonym_key: self.0.pseudonym_key.clone(),
            dialect: self.0.store.dialect(),
        });
        *survey
            .compiled
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(compiled.clone());
        Ok(compiled)
    }

    async fn check_brand(&self, definition: &SurveyDefinition) -> Result<(), SurveyError> {
        let Some(found) = definition.brand_id() else {
            return Ok(());
        };
        for kept in brands(&self.0.store).await? {
            if kept != found {
                return Err(SurveyError::OtherBrand {
                    kept,
                    found: found.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The map as the table lets it be: created if it is missing, with new columns where it may evolve.
    async fn table(
        &self,
        settings: &config::Survey,
        wanted: &ColumnMap,
    ) -> Result<(ColumnMap, Vec<ColumnName>), SurveyError> {
        let store = &self.0.store;
        let Some(existing) = store.table_columns(&settings.table).await? else {
            store.create_table(wanted.table()).await?;
            store
                .run(vec![sql::runs::put_once(
                    CREATED,
                    settings.id.as_ref(),
                    "created",
                )])
                .await?;
            tracing::info!(survey = %settings.id, "created table {}", settings.table);
            return Ok((wanted.clone(), Vec::new()));
        };
        check_key(settings, &existing)?;
        let columns: Vec<Column> = existing
            .into_iter()
            .map(|existing| existing.column)
            .collect();
        let (map, missing) = wanted.conform(&columns);
        let is_ours = self.is_ours(settings).await?;
        if is_ours {
            store.create_indexes(map.table()).await?;
        }
        if missing.is_empty() || !settings.evolve.unwrap_or(is_ours) {
            return Ok((map, missing));
        }
        let added: Vec<_> = wanted
            .table()
            .columns
            .iter()
            .filter(|column| missing.contains(&column.name))
            .collect();
        let statements = added
            .iter()
            .map(|column| sql::ddl::add_column(store.dialect(), &settings.table, column));
        store.run(statements.collect()).await?;
        for column in added {
            tracing::info!(survey = %settings.id, "added column {} to {}", column.name, settings.table);
        }
        let existing = store
            .table_columns(&settings.table)
            .await?
            .unwrap_or_default();
        let columns: Vec<Column> = existing
            .into_iter()
            .map(|existing| existing.column)
            .collect();
        Ok(wanted.conform(&columns))
    }

    /// Whether we created the survey's table: an existing one is used as it is, ours may get columns and indexes.
    async fn is_ours(&self, settings: &config::Survey) -> Result<bool, SurveyError> {
        const KINDS: [ColumnType; 1] = [ColumnType::NVarchar(60)];
        let created = self.0.store.rows(sql::runs::list(CREATED), &KINDS).await?;
        Ok(created
            .iter()
            .any(|row| matches!(&**row, [Cell::Text(survey)] if survey == settings.id.as_ref())))
    }

    async fn keep(
        &self,
        settings: &config::Survey,
        definition: &SurveyDefinition,
        version: &str,
        map: &ColumnMap,
    ) -> Result<(), SurveyError> {
        let mut statements = vec![
            sql::surveys::ensure(&settings.id),
            sql::surveys::define(
                &settings.id,
                definition.brand_id(),
                &definition.to_json(),
                version,
            ),
        ];
        statements.extend(map.codebook().iter().map(|entry| {
            let question = sql::surveys::Question {
                column: entry.column.to_string(),
                property: entry.property.clone(),
                tag: entry.tag.clone(),
                key: entry.question_key(),
                text: entry.text.clone(),
                kind: entry.kind.clone(),
                choices: entry.choices_json(),
            };
            sql::surveys::put_question(&settings.id, &question)
        }));
        self.0.store.run(statements).await?;
        Ok(())
    }
}

fn check_key(settings: &config::Survey, existing: &[ExistingColumn]) -> Result<(), SurveyError> {
    let keys: Vec<_> = existing.iter().filter(|column| column.key).collect();
    match keys[..] {
        [key] if key.column.name.as_ref() == ColumnName::RESPONSE_ID => Ok(()),
        _ => Err(SurveyError::NoKey {
            survey: settings.id.clone(),
            table: settings.table.to_string(),
        }),
    }
}

async fn brands(store: &Store) -> Result<Vec<String>, StoreError> {
    const KINDS: [ColumnType; 2] = [ColumnType::NVarchar(18), ColumnType::NVarchar(100)];
    let rows = store.rows(sql::surveys::list(), &KINDS).await?;
    Ok(rows
        .iter()
        .filter_map(|row| match &**row {
            [_, Cell::Text(brand)] => Some(brand.clone()),
            _ => None,
        })
        .collect())
}
