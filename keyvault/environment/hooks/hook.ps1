# keyvault's hook for PowerShell 5.1 and later. At each prompt it looks for the .keyvault.toml that applies here. It starts keyvault
# only where that has changed, to be told names and values; what was there before is kept here, and put back on leaving.

function global:keyvault {
    $global:_keyvault.Again = $true
    $command = Get-Command keyvault -CommandType Application -ErrorAction Stop | Select-Object -First 1
    if ($MyInvocation.ExpectingInput) { $input | & $command @args } else { & $command @args }
}

function global:_keyvault_look {
    $state = $global:_keyvault
    $folder = ''
    if ($PWD.Provider.Name -eq 'FileSystem' -and [IO.Directory]::Exists($PWD.ProviderPath)) {
        $folder = $PWD.ProviderPath
        while ($folder -and -not (Test-Path -LiteralPath ([IO.Path]::Combine($folder, '.keyvault.toml')))) {
            $folder = [IO.Path]::GetDirectoryName($folder)
        }
    }
    if (-not $folder) {
        if ($state.Loaded.Count) { _keyvault_apply @() @() }
        $state.Folder = ''
        $state.Again = $false
        $state.Said = ''
        return
    }
    $file = [IO.FileInfo]::new([IO.Path]::Combine($folder, '.keyvault.toml'))
    $stamp = '{0} {1} {2}' -f $file.LastWriteTimeUtc.Ticks, $file.Length, $env:KEYVAULT_PROFILE
    $here = $folder -ceq $state.Folder
    if ($here -and -not $state.Again -and $stamp -ceq $state.Stamp) { return }
    if (-not $here) { $state.Said = '' }
    $state.Folder = $folder
    $state.Stamp = $stamp
    $state.Again = $false
    $kvNames = @()
    $kvValues = @()
    $kvNotes = @()
    $plan = & @KEYVAULT@ hook powershell --plan | Out-String
    $code = $global:LASTEXITCODE
    if ($plan) { Invoke-Expression $plan }
    if ($code -eq 0) {
        $state.Locked = $false
    } elseif ($code -eq 4) {
        if ($state.Locked) { $kvNotes = @() }
        $state.Locked = $true
    }
    # what is loaded here stays where the program could not say more
    if ($code -eq 0 -or -not $here) { _keyvault_apply $kvNames $kvValues }
    $said = $kvNotes -join "`n"
    if ($said -and $said -cne $state.Said) {
        $state.Said = $said
        [Console]::Error.WriteLine($said)
    }
}

# From what is loaded to these. What somebody changed by hand after it was loaded is left alone.
function global:_keyvault_apply($names, $values) {
    $state = $global:_keyvault
    $loaded = [Collections.Specialized.OrderedDictionary]::new()
    $plus = @()
    $minus = @()
    for ($at = 0; $at -lt $names.Count; $at++) {
        $name = $names[$at]
        $now = [Environment]::GetEnvironmentVariable($name)
        $known = $state.Loaded.Contains($name)
        if ($known) { $entry = $state.Loaded[$name] } else { $entry = @{ Before = $now; Gave = $null } }
        if (-not $known -or ([object]::Equals($now, $entry.Gave) -and -not [object]::Equals($now, $values[$at]))) {
            $entry.Gave = $values[$at]
            [Environment]::SetEnvironmentVariable($name, $values[$at])
            $plus += $name
        }
        $loaded[$name] = $entry
    }
    foreach ($name in @($state.Loaded.Keys)) {
        if ($loaded.Contains($name)) { continue }
        $entry = $state.Loaded[$name]
        if (-not [object]::Equals([Environment]::GetEnvironmentVariable($name), $entry.Gave)) { continue }
        if ($null -eq $entry.Before) {
            Remove-Item -LiteralPath "Env:$name" # a $null would become an empty text on its way into .NET
        } else {
            [Environment]::SetEnvironmentVariable($name, $entry.Before)
        }
        $minus += $name
    }
    $state.Loaded = $loaded
    if ($names.Count) { $env:KEYVAULT_LOADED = $names -join ' ' } else { $env:KEYVAULT_LOADED = $null }
    foreach ($change in @(, @('-', $minus)) + @(, @('+', $plus))) {
        $count = $change[1].Count
        if (-not $count) { continue }
        $shown = @($change[1] | Select-Object -First 8) -join ' '
        if ($count -gt 8) { $shown += ' ...' }
        [Console]::Error.WriteLine('keyvault: {0}{1} {2}' -f $change[0], $count, $shown)
    }
}

if (-not $global:_keyvault) {
    $global:_keyvault = @{
        Folder = ''; Stamp = ''; Again = $false; Locked = $false; Said = ''
        Loaded = [Collections.Specialized.OrderedDictionary]::new(); Prompt = $function:prompt
    }
    # A shell that was started from one with keys loaded knows their names alone: they count as unset before.
    foreach ($name in ("$env:KEYVAULT_LOADED" -split ' ')) {
        if ($name -cmatch '^[A-Za-z_][A-Za-z0-9_]*$' -and $null -ne [Environment]::GetEnvironmentVariable($name)) {
            $global:_keyvault.Loaded[$name] = @{ Before = $null; Gave = [Environment]::GetEnvironmentVariable($name) }
        }
    }
    function global:prompt {
        $code = $global:LASTEXITCODE
        try { _keyvault_look } catch { [Console]::Error.WriteLine("keyvault: error: $_") }
        $global:LASTEXITCODE = $code
        & $global:_keyvault.Prompt
    }
}
