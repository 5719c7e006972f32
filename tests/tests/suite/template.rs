//! The template says what the code does: routes, environment, rights.

use std::collections::BTreeSet;

use infra::{Event, Template};
use shared::{log::emf, storage::Table};
use tests::world::{groups, routes};

#[test]
fn the_gateway_has_exactly_the_routes_of_the_code_in_every_spelling() {
    let template = Template::bundled().unwrap();
    for &(binary, ref routes) in groups() {
        let function = template.functions().iter().find(|function| function.binary == binary).unwrap();
        let declared: BTreeSet<_> = function.events.iter().cloned().collect();
        let expected: BTreeSet<_> = routes
            .record()
            .flat_map(|route| {
                route
                    .spellings()
                    .into_iter()
                    .map(|path| Event::Route { method: route.method.as_str().to_owned(), path })
            })
            .chain((binary == "directory").then_some(Event::Default))
            .collect();
        assert_eq!(declared, expected, "{binary}");
        assert_eq!(function.events.len(), declared.len(), "{binary}: a route is there twice");
    }
    assert_eq!(template.functions().len(), groups().len());
    let all: usize = groups().iter().map(|(_, routes)| routes.record().count()).sum();
    assert_eq!(all, routes().record().count());
}

#[test]
fn a_function_is_told_of_the_tables_that_it_does_not_start_without() {
    let template = Template::bundled().unwrap();
    for &(binary, ref routes) in groups() {
        let function = template.functions().iter().find(|function| function.binary == binary).unwrap();
        let is_table = |name: &&str| Table::ALL.iter().any(|table| table.variable() == *name);
        let told: BTreeSet<_> = function.environment.keys().map(String::as_str).filter(is_table).collect();
        let needed: BTreeSet<_> = routes.needed().iter().copied().filter(is_table).collect();
        assert_eq!(told, needed, "{binary}");
    }
}

#[test]
fn the_template_has_the_tables_of_the_schema() {
    let template = Template::bundled().unwrap();
    let declared: BTreeSet<_> =
        template.tables().iter().map(|table| (table.environment_variable.clone(), table.name_suffix.clone())).collect();
    let expected = Table::ALL.iter().map(|table| (table.variable().to_owned(), format!("{table:?}"))).collect();
    assert_eq!(declared, expected);
    for table in template.tables() {
        assert!(table.deletion_protection && table.encrypted, "{}", table.logical_id);
        assert_eq!(table.point_in_time_recovery, table.name_suffix != "Codes", "{}", table.logical_id);
        let is_swept = matches!(table.name_suffix.as_str(), "Codes" | "Consents");
        assert_eq!(table.ttl_attribute.as_deref(), is_swept.then_some("expires"));
    }
}

#[test]
fn alarms_watch_what_the_functions_count() {
    let template = Template::bundled().unwrap();
    let own = template.alarms().iter().flat_map(|alarm| &alarm.metrics).filter(
        |metric| matches!(&metric.namespace, infra::Value::Pattern(pattern) if pattern == "Tessera/${AWS::StackName}"),
    );
    let mut watched = 0;
    for metric in own {
        watched += 1;
        match metric.dimensions.as_slice() {
            // Counted by the template's own filter, from the log.
            [] if metric.name == "SpentBudgets" => {}
            [] => assert!(emf::TOTALS.iter().any(|(name, _)| *name == metric.name), "{metric:?}"),
            [(name, infra::Value::Literal(reason))] => {
                assert_eq!((name.as_str(), metric.name.as_str()), ("reason", emf::REFUSALS));
                assert!(emf::refusals().any(|code| code.reason() == reason), "{metric:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(watched > 4);
}

#[tokio::test(start_paused = true)]
async fn tables_that_are_active_at_once_are_not_waited_for() {
    let begun = tokio::time::Instant::now();
    tests::World::new().await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
}
