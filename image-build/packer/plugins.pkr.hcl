# Packer 1.7 and later: `packer init image-build/packer` downloads the plugin.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2.0"
    }
  }
}
