package app

// VersionOf returns what Version returns for a build.
var VersionOf = versionOf

// NormalProxies returns the trusted networks as the server compares them.
var NormalProxies = normalProxies
