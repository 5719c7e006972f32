//! What the template of this repository must keep, whatever is added to it, and how the reader treats others.

use std::collections::BTreeSet;

use super::*;

type Result<T = ()> = std::result::Result<T, TemplateError>;

fn is_table_action(action: &str) -> bool {
    ["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "BatchGetItem", "ConditionCheckItem"]
        .iter()
        .any(|name| action == format!("dynamodb:{name}"))
}

#[test]
fn the_seven_tables_are_there() -> Result {
    let template = Template::bundled()?;
    let shapes: Vec<_> = template
        .tables()
        .iter()
        .map(|it| (it.environment_variable.as_str(), it.name_suffix.as_str(), it.keys.len(), it.indexes.len()))
        .collect();
    assert_eq!(
        shapes,
        [
            ("APPS_TABLE", "Apps", 2, 0),
            ("USERS_TABLE", "Users", 1, 0),
            ("BINDINGS_TABLE", "Bindings", 2, 0),
            ("CODES_TABLE", "Codes", 1, 0),
            ("CONSENTS_TABLE", "Consents", 2, 0),
            ("POINTS_TABLE", "Points", 2, 0),
            ("LICENCES_TABLE", "Licences", 2, 1),
        ]
    );
    Ok(())
}

#[test]
fn tables_are_safe_from_deletion_and_only_the_ephemeral_one_cannot_be_restored() -> Result {
    for table in Template::bundled()?.tables() {
        let ephemeral = table.name_suffix == "Codes";
        assert!(table.deletion_protection, "{}", table.logical_id);
        assert!(table.encrypted, "{}", table.logical_id);
        assert_eq!(table.point_in_time_recovery, !ephemeral, "{}", table.logical_id);
        let is_swept = ephemeral || table.name_suffix == "Consents";
        assert_eq!(table.ttl_attribute.as_deref(), is_swept.then_some("expires"), "{}", table.logical_id);
    }
    Ok(())
}

#[test]
fn keys_are_defined_attributes() -> Result {
    for table in Template::bundled()?.tables() {
        let defined: BTreeSet<_> = table.attributes.iter().map(|(name, _)| name).collect();
        let keys = table.keys.iter().chain(table.indexes.iter().flat_map(|index| &index.keys));
        assert_eq!(defined, keys.map(|key| &key.name).collect(), "{}", table.logical_id);
        assert_eq!(table.keys.first().map(|key| key.kind), Some(KeyKind::Hash), "{}", table.logical_id);
    }
    Ok(())
}

#[test]
fn a_table_is_known_by_one_variable_everywhere() -> Result {
    let template = Template::bundled()?;
    for function in template.functions() {
        for (variable, value) in &function.environment {
            if let Some(table) = template.tables().iter().find(|it| value.source() == Some(&it.logical_id)) {
                assert_eq!(variable, &table.environment_variable, "{}", function.logical_id);
            }
        }
    }
    Ok(())
}

#[test]
fn no_two_functions_claim_one_route_and_one_claims_the_rest() -> Result {
    let template = Template::bundled()?;
    let events: Vec<_> = template.functions().iter().flat_map(|function| &function.events).collect();
    assert_eq!(events.iter().collect::<BTreeSet<_>>().len(), events.len());
    assert!(events.contains(&&Event::Default));
    Ok(())
}

#[test]
fn every_route_has_the_spellings_that_clients_send() -> Result {
    let spellings = [
        ("/api/AppUsers/", "/api/appUsers/"),
        ("/api/OAuth/", "/api/oauth/"),
        ("/api/Apps/", "/api/apps/"),
        ("/sns/", "/bitanswer/api/sns/"),
    ];
    for function in Template::bundled()?.functions() {
        for event in &function.events {
            let Event::Route { method, path } = event else {
                continue;
            };
            for (one, other) in spellings.iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
                if let Some(rest) = path.strip_prefix(one) {
                    let sibling = Event::Route { method: method.clone(), path: format!("{other}{rest}") };
                    assert!(function.events.contains(&sibling), "{} lacks {sibling:?}", function.logical_id);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn op_10_rights_are_narrow() -> Result {
    for function in Template::bundled()?.functions() {
        for statement in &function.statements {
            for action in &statement.actions {
                let known = is_table_action(action)
                    || ["logs:CreateLogStream", "logs:PutLogEvents", "ssm:GetParameters"].contains(&action.as_str())
                    || ["ses:SendEmail", "sms-voice:SendTextMessage"].contains(&action.as_str());
                assert!(known, "{} may {action}", function.logical_id);
            }
            for resource in &statement.resources {
                assert!(!resource.to_string().contains('*'), "{} has rights on {resource}", function.logical_id);
            }
        }
    }
    Ok(())
}

#[test]
fn rights_and_variables_name_the_same_tables() -> Result {
    let template = Template::bundled()?;
    for function in template.functions() {
        for table in template.tables() {
            let knows = function.environment.contains_key(&table.environment_variable);
            let may = function.actions_on(&table.logical_id).into_iter().any(is_table_action);
            assert_eq!(knows, may, "{} and {}", function.logical_id, table.logical_id);
        }
    }
    Ok(())
}

#[test]
fn rights_and_variables_name_the_same_secrets() -> Result {
    const ARN: &str = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter";
    for function in Template::bundled()?.functions() {
        let named: BTreeSet<_> = function
            .environment
            .iter()
            .filter(|(variable, _)| variable.ends_with("_PARAMETER"))
            .map(|(_, name)| format!("{ARN}{name}"))
            .collect();
        let readable: BTreeSet<_> = function
            .statements
            .iter()
            .filter(|statement| statement.actions.iter().any(|action| action == "ssm:GetParameters"))
            .flat_map(|statement| &statement.resources)
            .map(ToString::to_string)
            .collect();
        assert_eq!(named, readable, "{}", function.logical_id);
    }
    Ok(())
}

#[test]
fn only_what_signs_can_read_the_signing_keys() -> Result {
    for function in Template::bundled()?.functions() {
        let signs = function.environment.contains_key("SIGNING_KEYS_PARAMETER");
        let may_sign = ["accounts", "external-accounts", "oauth", "qr-sign-in"].contains(&function.binary.as_str());
        assert_eq!(signs, may_sign, "{}", function.logical_id);
    }
    Ok(())
}

#[test]
fn whoever_signs_can_ask_for_a_second_factor() -> Result {
    for function in Template::bundled()?.functions() {
        let signs = function.environment.contains_key("SIGNING_KEYS_PARAMETER");
        let asks = function.environment.contains_key("TOTP_KEY_PARAMETER");
        // The profile enrols second factors and signs nothing.
        assert_eq!(asks, signs || function.binary == "profile", "{}", function.logical_id);
    }
    Ok(())
}

#[test]
fn only_what_sends_codes_may_send_them_and_only_sign_ups_may_welcome() -> Result {
    for function in Template::bundled()?.functions() {
        let may = |wanted: &str| function.statements.iter().any(|it| it.actions.iter().any(|action| action == wanted));
        let binary = function.binary.as_str();
        assert_eq!(may("sms-voice:SendTextMessage"), binary == "codes", "{binary}");
        assert_eq!(function.environment.contains_key("SMS_PARAMETER"), binary == "codes", "{binary}");
        assert_eq!(may("ses:SendEmail"), ["accounts", "codes", "qr-sign-in"].contains(&binary), "{binary}");
        assert_eq!(function.environment.contains_key("MAIL_PARAMETER"), may("ses:SendEmail"), "{binary}");
    }
    Ok(())
}

#[test]
fn functions_answer_before_the_gateway_gives_up() -> Result {
    for function in Template::bundled()?.functions() {
        assert!(function.timeout_seconds < 30, "{}", function.logical_id);
        assert!((128..=10_240).contains(&function.memory_mb), "{}", function.logical_id);
    }
    Ok(())
}

#[test]
fn defaults_are_known() -> Result {
    let template = Template::bundled()?;
    assert_eq!(template.parameter_default("TimeZone"), Some("Asia/Shanghai"));
    assert_eq!(template.parameter_default("TenantId"), Some("1"));
    assert_eq!(template.parameter_default("TenantName"), Some(""));
    assert_eq!(template.parameter_default("LogRetentionDays"), Some("30"));
    assert_eq!(template.parameter_default("Unheard"), None);
    Ok(())
}

const SMALL: &str = "
Globals:
  Function:
    Timeout: 3
    Environment:
      Variables: { SHARED: !Ref Zone, OWN: from-globals }
Resources:
  ThingFunction:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: thing } }
    Properties:
      MemorySize: 128
      Role: !GetAtt ThingRole.Arn
      Environment:
        Variables: { OWN: mine, THE_TABLE: !Ref ThingsTable }
      Events:
        One: { Type: HttpApi, Properties: { Method: GET, Path: /one } }
        Rest: { Type: HttpApi, Properties: { ApiId: !Ref Api } }
  ThingRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {}
      Policies:
        - PolicyName: thing
          PolicyDocument:
            Statement:
              - { Effect: Allow, Action: dynamodb:Query, Resource: !GetAtt ThingsTable.Arn }
  ThingsTable:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      TableName: !Sub '${AWS::StackName}-Things'
      BillingMode: PAY_PER_REQUEST
      DeletionProtectionEnabled: true
      AttributeDefinitions:
        - { AttributeName: id, AttributeType: S }
        - { AttributeName: at, AttributeType: N }
        - { AttributeName: raw, AttributeType: B }
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
      TimeToLiveSpecification: { AttributeName: gone, Enabled: false }
      GlobalSecondaryIndexes:
        - IndexName: by-time
          KeySchema: [{ AttributeName: at, KeyType: HASH }, { AttributeName: raw, KeyType: RANGE }]
          Projection: { ProjectionType: INCLUDE, NonKeyAttributes: [colour] }
      LocalSecondaryIndexes:
        - IndexName: near
          KeySchema: [{ AttributeName: id, KeyType: HASH }, { AttributeName: at, KeyType: RANGE }]
          Projection: { ProjectionType: KEYS_ONLY }
";

#[test]
fn a_function_takes_from_the_globals_what_it_does_not_say_itself() -> Result {
    let template = Template::parse(SMALL)?;
    let [function] = template.functions() else { panic!("{template:?}") };
    assert_eq!((function.memory_mb, function.timeout_seconds), (128, 3));
    assert_eq!(function.environment["SHARED"], Value::Reference("Zone".into()));
    assert_eq!(function.environment["OWN"], Value::Literal("mine".into()));
    assert_eq!(function.events, [Event::Route { method: "GET".into(), path: "/one".into() }, Event::Default]);
    assert_eq!(function.actions_on("ThingsTable"), ["dynamodb:Query"]);
    assert!(function.actions_on("ThingRole").is_empty());
    Ok(())
}

#[test]
fn indexes_and_protection_are_read() -> Result {
    let template = Template::parse(SMALL)?;
    let [table] = template.tables() else { panic!("{template:?}") };
    let indexes: Vec<_> = table.indexes.iter().map(|it| (it.name.as_str(), it.scope, &it.projection)).collect();
    assert_eq!(
        indexes,
        [
            ("by-time", IndexScope::Global, &Projection::Include(vec!["colour".into()])),
            ("near", IndexScope::Local, &Projection::KeysOnly),
        ]
    );
    assert_eq!(table.indexes[0].keys[1], Key { name: "raw".into(), kind: KeyKind::Range });
    assert_eq!(table.attributes[1], ("at".into(), AttributeType::Number));
    assert_eq!(table.environment_variable, "THE_TABLE");
    assert_eq!(table.name_in("dev"), "dev-Things");
    assert_eq!(table.ttl_attribute, None);
    assert!(!table.deletion_protection, "replacing it would delete it");
    assert!(!table.point_in_time_recovery && !table.encrypted);
    Ok(())
}

#[test]
fn what_the_reader_does_not_know_it_refuses() {
    for (from, to) in [
        ("Effect: Allow", "Effect: Deny"),
        ("Action: dynamodb:Query", "NotAction: dynamodb:Query"),
        ("AssumeRolePolicyDocument: {}", "ManagedPolicyArns: [x]"),
        ("Role: !GetAtt ThingRole.Arn", "Role: !Ref Elsewhere"),
        ("MemorySize: 128", "MemorySize: 128\n      Policies: []"),
        ("Type: HttpApi, Properties: { Method", "Type: Api, Properties: { Method"),
        ("Method: GET, Path: /one", "Path: /one"),
        ("'${AWS::StackName}-Things'", "Things"),
        ("BillingMode: PAY_PER_REQUEST", "BillingMode: PROVISIONED"),
        (
            "KeyType: RANGE }]\n          Projection: { ProjectionType: KEYS",
            "KeyType: SORT }]\n          Projection: { ProjectionType: KEYS",
        ),
        ("ProjectionType: KEYS_ONLY", "ProjectionType: SOME"),
        ("Binary: thing", "Other: thing"),
        ("Timeout: 3", "Timeout: -3"),
        ("Timeout: 3", "Other: 3"),
        ("Resources:", "Others:"),
    ] {
        assert!(SMALL.contains(from), "{from}");
        assert!(Template::parse(&SMALL.replacen(from, to, 1)).is_err(), "{to}");
    }
}
