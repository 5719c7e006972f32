//! What the template of this repository promises to whoever operates it: watched, cheap, in every partition, with
//! rights that are written out.

use std::collections::BTreeSet;

use super::yaml::Node;
use super::*;

type Result<T = ()> = std::result::Result<T, TemplateError>;

const TEXT: &str = include_str!("../../template.yaml");

/// Every resource with its name and its type.
fn each_resource(check: impl Fn(&str, &str, &Cursor) -> Result) -> Result {
    let document = yaml::parse(TEXT)?;
    let root = Cursor::root(&document);
    for (logical_id, resource) in root.require("Resources")?.entries()? {
        check(logical_id, resource.require("Type")?.text()?, &resource)?;
    }
    Ok(())
}

/// A node as text, calls written out.
fn shown(node: &Node) -> String {
    format!("{node:?}")
}

/// Every text in a node, those in calls included.
fn texts(node: &Node) -> Vec<&str> {
    match node {
        Node::Text(text) => vec![text],
        Node::List(items) => items.iter().flat_map(texts).collect(),
        Node::Map(entries) => entries.iter().flat_map(|(_, node)| texts(node)).collect(),
        Node::Call(_, argument) => texts(argument),
        Node::Null | Node::Bool(_) | Node::Integer(_) => Vec::new(),
    }
}

#[test]
fn there_are_at_most_ten_alarms_and_the_topic_hears_of_each() -> Result {
    let template = Template::bundled()?;
    assert!((1..=10).contains(&template.alarms().len()));
    for alarm in template.alarms() {
        assert_eq!(alarm.actions, [Value::Reference("AlarmTopic".into())], "{}", alarm.logical_id);
        assert!((1..=10).contains(&alarm.metrics.len()), "{}: an alarm takes ten metrics", alarm.logical_id);
        assert_eq!(alarm.logical_id, format!("{}Alarm", alarm.name_suffix));
    }
    Ok(())
}

#[test]
fn the_errors_of_every_function_raise_an_alarm() -> Result {
    let template = Template::bundled()?;
    let metrics = template.alarms().iter().flat_map(|alarm| &alarm.metrics);
    let of_functions = metrics.filter(|it| it.namespace == Value::Literal("AWS/Lambda".into()) && it.name == "Errors");
    let watched: BTreeSet<_> = of_functions
        .flat_map(|metric| &metric.dimensions)
        .filter(|(name, _)| name == "FunctionName")
        .filter_map(|(_, value)| value.source().map(str::to_owned))
        .collect();
    assert_eq!(watched, template.functions().iter().map(|it| it.logical_id.clone()).collect());
    Ok(())
}

#[test]
fn the_dashboard_shows_every_function_and_every_table() -> Result {
    let template = Template::bundled()?;
    each_resource(|_, kind, resource| {
        if kind == "AWS::CloudWatch::Dashboard" {
            let body = shown(resource.require("Properties")?.require("DashboardBody")?.node());
            let functions = template.functions().iter().map(|it| &it.logical_id);
            for id in functions.chain(template.tables().iter().map(|it| &it.logical_id)) {
                assert!(body.contains(&format!("${{{id}}}")), "{id}");
            }
        }
        Ok(())
    })
}

#[test]
fn every_function_writes_into_a_log_group_of_its_own_that_forgets() -> Result {
    let document = yaml::parse(TEXT)?;
    let root = Cursor::root(&document);
    let resources = root.require("Resources")?;
    let mut groups = BTreeSet::new();
    for function in Template::bundled()?.functions() {
        let properties = resources.require(&function.logical_id)?.require("Properties")?;
        let group = Value::read(&properties.require("LoggingConfig")?.require("LogGroup")?)?;
        let id = group.source().expect("a log group of the template").to_owned();
        let group = resources.require(&id)?.require("Properties")?;
        assert_eq!(Value::read(&group.require("RetentionInDays")?)?, Value::Reference("LogRetentionDays".into()));
        assert_eq!(function.actions_on(&id), ["logs:CreateLogStream", "logs:PutLogEvents"], "{}", function.logical_id);
        assert!(groups.insert(id), "{} shares its log group", function.logical_id);
    }
    Ok(())
}

#[test]
fn no_policy_says_all_but_the_one_for_traces_which_is_absent_unless_wanted() -> Result {
    each_resource(|logical_id, kind, resource| {
        if !kind.starts_with("AWS::IAM::") {
            return Ok(());
        }
        if logical_id == "TracingPolicy" {
            assert_eq!(resource.require("Condition")?.text()?, "HasTracing");
            let allowed = shown(resource.require("Properties")?.require("PolicyDocument")?.node());
            assert!(allowed.contains("xray:PutTraceSegments") && !allowed.contains("dynamodb"));
            return Ok(());
        }
        for text in texts(resource.node()) {
            assert!(!text.contains('*'), "{logical_id}: {text}");
            assert!(!text.ends_with(":Scan"), "{logical_id}: {text}");
        }
        Ok(())
    })
}

#[test]
fn with_a_domain_name_the_gateway_answers_under_no_other() -> Result {
    let document = yaml::parse(TEXT)?;
    let root = Cursor::root(&document);
    let resources = root.require("Resources")?;
    let api = resources.require("HttpApi")?.require("Properties")?;
    let expected = yaml::parse("!If [HasDomain, true, false]")?;
    assert_eq!(shown(api.require("DisableExecuteApiEndpoint")?.node()), shown(&expected));
    for (id, condition) in
        [("CustomDomain", "HasDomain"), ("CustomDomainMapping", "HasDomain"), ("CustomDomainRecord", "HasDnsRecord")]
    {
        assert_eq!(resources.require(id)?.require("Condition")?.text()?, condition);
    }
    let url = shown(resources.require("PublicUrlParameter")?.require("Properties")?.require("Value")?.node());
    assert!(url.contains("https://${DomainName}/"), "the tokens name the domain");
    let template = Template::bundled()?;
    for name in ["DomainName", "CertificateArn", "HostedZoneId"] {
        assert_eq!(template.parameter_default(name), Some(""));
    }
    Ok(())
}

#[test]
fn nothing_belongs_to_one_partition_or_region() -> Result {
    let document = yaml::parse(TEXT)?;
    for text in texts(&document) {
        assert!(!text.contains("arn:aws"), "{text}");
        // Names of services are the same everywhere; hosts are not.
        assert!(!text.contains("amazonaws.com") || text == "lambda.amazonaws.com", "{text}");
        assert!(!["us-east-1", "cn-north-1"].iter().any(|region| text.contains(region)), "{text}");
    }
    Ok(())
}

#[test]
fn what_not_every_region_has_is_off_until_it_is_wanted() -> Result {
    let template = Template::bundled()?;
    assert_eq!(template.parameter_default("Tracing"), Some("off"));
    assert_eq!(template.parameter_default("GradualDeployment"), Some("false"));
    let document = yaml::parse(TEXT)?;
    let globals = Cursor::root(&document).require("Globals")?.require("Function")?;
    let expected = yaml::parse("!If [HasTracing, Active, !Ref 'AWS::NoValue']")?;
    assert_eq!(shown(globals.require("Tracing")?.node()), shown(&expected));
    let deployment = globals.require("DeploymentPreference")?;
    assert_eq!(Value::read(&deployment.require("Enabled")?)?, Value::Reference("GradualDeployment".into()));
    // An alarm on the API would close a circle: the API refers to the alias, the alias to its alarms.
    for alarm in deployment.require("Alarms")?.items()? {
        let alarm = Value::read(&alarm)?;
        let alarm = template.alarms().iter().find(|it| Some(it.logical_id.as_str()) == alarm.source());
        for metric in &alarm.expect("an alarm of the template").metrics {
            assert!(!metric.dimensions.iter().any(|(_, value)| value.source() == Some("HttpApi")));
        }
    }
    Ok(())
}

#[test]
fn a_change_of_any_property_reaches_the_alias() -> Result {
    let document = yaml::parse(TEXT)?;
    let root = Cursor::root(&document);
    for function in Template::bundled()?.functions() {
        let properties = root.require("Resources")?.require(&function.logical_id)?.require("Properties")?;
        assert!(properties.require("AutoPublishAliasAllProperties")?.boolean()?, "{}", function.logical_id);
        assert!(function.environment.contains_key("GENERATION"));
    }
    Ok(())
}

#[test]
fn the_access_log_knows_no_path_no_query_and_no_body() -> Result {
    let document = yaml::parse(TEXT)?;
    let api = Cursor::root(&document).require("Resources")?.require("HttpApi")?.require("Properties")?;
    let format = api.require("AccessLogSettings")?.require("Format")?.text()?;
    let words: BTreeSet<_> = format.split("$context.").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let known = [
        "error.message",
        "identity.sourceIp",
        "integrationErrorMessage",
        "integrationLatency",
        "integrationStatus",
        "requestId",
        "requestTime",
        "responseLatency",
        "responseLength",
        "routeKey",
        "status",
    ];
    assert_eq!(words, known.into());
    Ok(())
}

#[test]
fn nothing_is_asynchronous_so_that_nothing_needs_a_dead_letter() -> Result {
    each_resource(|logical_id, kind, resource| {
        assert!(!["AWS::Lambda::EventSourceMapping", "AWS::Lambda::EventInvokeConfig"].contains(&kind), "{logical_id}");
        if kind == "AWS::Serverless::Function" {
            let properties = resource.require("Properties")?;
            for absent in ["EventInvokeConfig", "DeadLetterQueue", "ReservedConcurrentExecutions"] {
                assert!(properties.get(absent)?.is_none(), "{logical_id}: {absent}");
            }
        }
        Ok(())
    })
}
