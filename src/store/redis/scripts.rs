//! The scripts. They do not interpret records or rules.

use redis::{Cmd, Pipeline};

/// A script, and the name by which a server knows it.
pub(super) struct Script {
    code: String,
    hash: String,
}

/// The scripts in the form that one server supports.
pub(super) struct Scripts {
    pub(super) replace: Script,
    /// The same, for records that have ended.
    pub(super) end: Script,
    pub(super) due: Script,
    pub(super) delete: Script,
    pub(super) enter: Script,
    pub(super) page: Script,
    pub(super) replace_rules: Script,
    pub(super) rules_since: Script,
    /// Returns how far an end has been replicated.
    pub(super) settle: Script,
    /// Returns which commands of the other scripts are not permitted.
    pub(super) rights: Script,
}

impl Scripts {
    /// From version 7 on, scripts can have flags: none of these runs on a replica, not even to
    /// read, and some run although the memory is full.
    pub(super) fn new(server_knows_flags: bool) -> Self {
        let script = |flags: &str, code: &str| {
            let head = if server_knows_flags { format!("#!lua{flags}\n") } else { String::new() };
            let code = head + code;
            Script { hash: redis::Script::new(&code).get_hash().to_owned(), code }
        };
        // Scripts that read, and scripts that free memory. A sign-out must not fail because the
        // memory is full.
        let always = |code: &str| script(" flags=allow-oom", code);
        let with_room = |code: &str| script("", code);
        Self {
            replace: with_room(include_str!("lua/replace.lua")),
            end: always(include_str!("lua/replace.lua")),
            due: always(include_str!("lua/due.lua")),
            delete: always(include_str!("lua/delete.lua")),
            enter: with_room(include_str!("lua/enter.lua")),
            page: always(include_str!("lua/page.lua")),
            replace_rules: with_room(include_str!("lua/replace_rules.lua")),
            rules_since: always(include_str!("lua/rules_since.lua")),
            settle: always(include_str!("lua/settle.lua")),
            rights: always(include_str!("lua/rights.lua")),
        }
    }

    /// The calls that load all scripts into a server.
    pub(super) fn load(&self) -> Pipeline {
        let Self { replace, end, due, delete, enter, page, replace_rules, rules_since, .. } = self;
        let all = [replace, end, due, delete, enter, page, replace_rules, rules_since];
        let mut load = redis::pipe();
        for script in all.into_iter().chain([&self.settle, &self.rights]) {
            load.cmd("SCRIPT").arg("LOAD").arg(&*script.code);
        }
        load
    }
}

impl Script {
    /// The command that runs it over these keys, without arguments so far.
    pub(super) fn over(&self, keys: &[Vec<u8>]) -> Cmd {
        let mut run = redis::cmd("EVALSHA");
        run.arg(&*self.hash).arg(keys.len()).arg(keys);
        run
    }
}
