// Command argocd is three of Argo CD's controllers, and the helper that its git asks for passwords. Which one is said as
// to Argo CD's own program, which also has a server and a command line: nothing here asks for them.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	applicationcontroller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	applicationset "github.com/argoproj/argo-cd/v3/cmd/argocd-applicationset-controller/commands"
	gitaskpass "github.com/argoproj/argo-cd/v3/cmd/argocd-git-ask-pass/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/argoproj/argo-cd/v3/common"
)

var commands = map[string]func() *cobra.Command{
	common.CommandApplicationController:    applicationcontroller.NewCommand,
	common.CommandApplicationSetController: applicationset.NewCommand,
	common.CommandGitAskPass:               gitaskpass.NewCommand,
	common.CommandRepoServer:               reposerver.NewCommand,
}

func main() {
	name := os.Getenv("ARGOCD_BINARY_NAME")
	command, found := commands[name]
	if !found {
		fmt.Fprintf(os.Stderr, "there is no %q\n", name)
		os.Exit(2)
	}
	if err := command().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
