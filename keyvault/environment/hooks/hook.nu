# keyvault's hook for Nushell 0.100 and later. At each prompt it looks for the .keyvault.toml that applies here. It starts keyvault
# only where that has changed, to be told names and values; what was there before is kept here, and put back on leaving.
# What it keeps is a record, which Nushell does not hand on to programs.

def --env --wrapped keyvault [...words] {
  $env._keyvault.again = true
  ^keyvault ...$words
}

def --env _keyvault_look [] {
  let state = $env._keyvault
  mut folder = ($env.PWD | path expand)
  mut found = false
  if ($env.PWD | path exists) {
    loop {
      $found = ($folder | path join ".keyvault.toml" | path exists --no-symlink)
      let above = ($folder | path dirname)
      if $found or $above == $folder or $above == "" { break }
      $folder = $above
    }
  }
  if not $found {
    if ($state.loaded | is-not-empty) { _keyvault_apply [] [] }
    if ($state.folder != "") or $state.again {
      $env._keyvault = ($env._keyvault | merge {folder: "", again: false, said: []})
    }
    return
  }
  let file = ($folder | path join ".keyvault.toml")
  let text = (if ($file | path type) == "file" { try { open --raw $file | bytes at 0..65536 } catch { 0x[] } } else { 0x[] })
  let profile = ($env.KEYVAULT_PROFILE? | default "")
  let here = $folder == $state.folder
  if $here and not $state.again and $text == $state.text and $profile == $state.profile { return }
  $env._keyvault = ($state | merge {
    folder: $folder, text: $text, profile: $profile, again: false, said: (if $here { $state.said } else { [] })
  })
  let done = (^@KEYVAULT@ hook nu --plan | complete)
  if $done.stderr != "" { print --stderr --no-newline $done.stderr }
  let plan = (try { $done.stdout | from json } catch { null } | default {names: [], values: [], notes: []})
  mut notes = $plan.notes
  if $done.exit_code == 0 {
    $env._keyvault.locked = false
  } else if $done.exit_code == 4 {
    if $state.locked { $notes = [] }
    $env._keyvault.locked = true
  }
  # what is loaded here stays where the program could not say more
  if $done.exit_code == 0 or not $here { _keyvault_apply $plan.names $plan.values }
  if ($notes | is-not-empty) and $notes != $env._keyvault.said {
    $env._keyvault.said = $notes
    for note in $notes { print --stderr $note }
  }
}

# From what is loaded to these. What somebody changed by hand after it was loaded is left alone.
def --env _keyvault_apply [names: list<string>, values: list<string>] {
  let old = $env._keyvault.loaded
  mut new = {}
  mut plus = []
  mut minus = []
  for pair in ($names | zip $values) {
    let name = $pair.0
    let known = $name in ($old | columns)
    let set = $name in ($env | columns)
    mut entry = (if $known { $old | get $name } else {
      {set: $set, before: (if $set { $env | get $name } else { null }), gave: null}
    })
    if not $known or ($set and ($env | get $name) == $entry.gave and $entry.gave != $pair.1) {
      $entry.gave = $pair.1
      load-env {$name: $pair.1}
      $plus = ($plus | append $name)
    }
    $new = ($new | insert $name $entry)
  }
  for name in ($old | columns | where {|name| $name not-in $names }) {
    let entry = ($old | get $name)
    if $name in ($env | columns) and ($env | get $name) == $entry.gave {
      if $entry.set { load-env {$name: $entry.before} } else { hide-env $name }
      $minus = ($minus | append $name)
    }
  }
  $env._keyvault.loaded = $new
  if ($names | is-not-empty) { $env.KEYVAULT_LOADED = ($names | str join " ") } else { hide-env --ignore-errors KEYVAULT_LOADED }
  for change in [["-" $minus] ["+" $plus]] {
    let count = ($change.1 | length)
    let more = (if $count > 8 { [...] } else { [] })
    if $count > 0 { print --stderr ([$"keyvault: ($change.0)($count)" ...($change.1 | first 8) ...$more] | str join " ") }
  }
}

# A shell that was started from one with keys loaded knows their names alone: they count as unset before.
if "_keyvault" not-in ($env | columns) {
  let names = ($env.KEYVAULT_LOADED? | default "" | split row " " | where {|name| $name =~ '^[A-Za-z_]\w*$' and $name in ($env | columns) })
  $env._keyvault = {folder: "", text: 0x[], profile: "", again: false, locked: false, said: [], loaded: {}}
  for name in $names {
    $env._keyvault.loaded = ($env._keyvault.loaded | insert $name {set: false, before: null, gave: ($env | get $name)})
  }
  $env.config.hooks.pre_prompt = ($env.config.hooks.pre_prompt? | default [] | append {||
    let code = $env.LAST_EXIT_CODE
    try { _keyvault_look } catch {|problem| print --stderr $"keyvault: error: ($problem.msg)" }
    $env.LAST_EXIT_CODE = $code
  })
}
