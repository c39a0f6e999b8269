# Builds an AMI that runs Amazon ECS, from Amazon Linux 2023, Debian 12 or Ubuntu 24.04,
# for x86_64 or arm64:
#
#   packer init image-build/packer
#   packer build -var region=eu-central-1 -var agent_version=v1.105.1 \
#       -var distribution=debian -var arch=arm64 image-build/packer
#
# In the instance, provision.sh runs `ecs-init bake --root /`.

locals {
  machine = var.arch == "arm64" ? "aarch64" : "x86_64"
  # Debian and Ubuntu call it amd64.
  debian  = var.arch == "arm64" ? "arm64" : "amd64"
  program = var.program != "" ? var.program : "${path.root}/../../target/dist/ecs-init-${local.machine}"

  base = {
    al2023 = {
      owner = "amazon"
      name  = "al2023-ami-2023.*-kernel-6.1-${var.arch}"
      user  = "ec2-user"
    }
    debian = {
      owner = "136693071363"
      name  = "debian-12-${local.debian}-*"
      user  = "admin"
    }
    ubuntu = {
      owner = "099720109477"
      name  = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-${local.debian}-server-*"
      user  = "ubuntu"
    }
  }
}

source "amazon-ebs" "ecs" {
  region        = var.region
  subnet_id     = var.subnet_id
  instance_type = var.arch == "arm64" ? "t4g.small" : "t3.small"
  ssh_username  = local.base[var.distribution].user
  ami_name      = "ecs-${var.distribution}-${var.arch}-${var.agent_version}-${formatdate("YYYYMMDDhhmm", timestamp())}"

  source_ami_filter {
    most_recent = true
    owners      = [local.base[var.distribution].owner]
    filters = {
      name                = local.base[var.distribution].name
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  tags = {
    EcsAgentVersion = var.agent_version
  }
}

build {
  sources = ["source.amazon-ebs.ecs"]

  provisioner "shell" {
    inline = ["mkdir -p /tmp/ecs-init"]
  }

  provisioner "file" {
    source      = local.program
    destination = "/tmp/ecs-init/${basename(local.program)}"
  }

  # An empty file means none, because a variable cannot disable a provisioner.
  provisioner "file" {
    source      = var.config != "" ? var.config : "/dev/null"
    destination = "/tmp/ecs-init/ecs.config"
  }

  provisioner "shell" {
    script          = "${path.root}/provision.sh"
    execute_command = "chmod +x {{ .Path }}; sudo env {{ .Vars }} {{ .Path }} /tmp/ecs-init/${basename(local.program)}"
    environment_vars = [
      "AGENT_VERSION=${var.agent_version}",
      "REGION=${var.region}",
      "MIRROR=${var.mirror}",
    ]
  }
}
